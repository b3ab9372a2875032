// A caller's side of the inference pool. Enters: requests. Leaves: replies, token by token. It holds the ids of a reply so far, so that
// another worker can go on with it. Does not know: engines, tokenizers, HTTP.
using Orleans;
using Orleans.Runtime;

namespace Cluster.Contracts.Inference;

/// <summary>How long a client waits for what.</summary>
public sealed record InferencePatience
{
    /// <summary>For one call's answer; above the second that a call may take.</summary>
    public TimeSpan Call { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>For a worker that takes the request, while there is none.</summary>
    public TimeSpan Worker { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>For a model to be loaded, or for another worker to go on with a reply.</summary>
    public TimeSpan Load { get; init; } = TimeSpan.FromSeconds(60);

    /// <summary>Between two attempts.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromMilliseconds(100);

    /// <summary>Workers that may fail one after the other without a token between.</summary>
    public int Losses { get; init; } = 5;
}

/// <summary>Submits requests and reads their replies; goes on elsewhere when a worker dies. May be used from any thread.</summary>
public sealed class InferenceClient(IGrainFactory grains, InferencePatience? patience = null, TimeProvider? time = null)
{
    private readonly TimeProvider _time = time ?? TimeProvider.System;

    internal InferencePatience Patience { get; } = patience ?? new();

    /// <summary>Has a worker take a request.</summary>
    /// <param name="model">The model's name.</param>
    /// <param name="request">What is asked.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <returns>The replies under way, to be disposed of: that ends those nobody wants any more.</returns>
    /// <exception cref="InferenceException">It is refused, or nobody can take it now.</exception>
    public async Task<Generation> BeginAsync(string model, GenerationRequest request, CancellationToken cancellation)
    {
        var submission = await SubmitAsync(model, request, [], goesOn: false, cancellation);
        return new Generation(this, model, request, submission, _time);
    }

    /// <summary>The models that can be asked.</summary>
    /// <exception cref="InferenceException">The cluster does not answer.</exception>
    public Task<IReadOnlyList<ModelDescription>> ModelsAsync(CancellationToken cancellation) =>
        AnswerAsync(() => Find<IModelIndexGrain>(IModelIndexGrain.Key).ListAsync(), cancellation);

    /// <summary>A model's description; null if there is none of that name.</summary>
    /// <exception cref="InferenceException">The cluster does not answer.</exception>
    public Task<ModelDescription?> DescribeAsync(string model, CancellationToken cancellation) =>
        AnswerAsync(() => Pool(model).DescribeAsync(), cancellation);

    /// <summary>What a model's workers are doing and have done, by their keys; empty where the cluster does not answer.</summary>
    public async Task<IReadOnlyDictionary<string, WorkerFigures>> FiguresAsync(string model, CancellationToken cancellation) =>
        await AskAsync(() => Pool(model).GetFiguresAsync(), cancellation) ?? new Dictionary<string, WorkerFigures>();

    /// <summary>The ids of a text or a conversation.</summary>
    /// <exception cref="InferenceException">It is refused, or the cluster does not answer.</exception>
    public async Task<TokenAnswer> TokenizeAsync(string model, TokenQuestion question, CancellationToken cancellation)
    {
        var answer = await AnswerAsync(() => Pool(model).TokenizeAsync(question), cancellation);
        return answer.Refusal is { } refusal ? throw new InferenceException(refusal) : answer;
    }

    /// <summary>The text of ids.</summary>
    /// <exception cref="InferenceException">It is refused, or the cluster does not answer.</exception>
    public async Task<string> DetokenizeAsync(string model, IReadOnlyList<int> ids, CancellationToken cancellation)
    {
        var answer = await AnswerAsync(() => Pool(model).DetokenizeAsync(ids), cancellation);
        return answer.Refusal is { } refusal ? throw new InferenceException(refusal) : answer.Text;
    }

    /// <summary>Has a worker turn texts into vectors; another one if that dies.</summary>
    /// <param name="model">The model's name.</param>
    /// <param name="request">What is asked.</param>
    /// <param name="cancellation">Gives up.</param>
    /// <exception cref="InferenceException">It is refused, or nobody can do it now.</exception>
    public async Task<EmbeddingAnswer> EmbedAsync(string model, EmbeddingRequest request, CancellationToken cancellation)
    {
        var on = "";
        try
        {
            return await OnWorkerAsync(model, [], [], goesOn: false, async key =>
            {
                on = key;
                EmbeddingAnswer? answer;
                do
                    answer = await AskAsync(() => Worker(key).EmbedAsync(request), cancellation);
                while (answer is { State: EmbeddingState.Running });
                return answer switch
                {
                    null => null,
                    { State: EmbeddingState.Done } => new Attempt<EmbeddingAnswer>(answer, null),
                    _ => new Attempt<EmbeddingAnswer>(null, answer.Refusal),
                };
            }, cancellation);
        }
        catch (OperationCanceledException) when (on.Length > 0)
        {
            CancelAsync(on, [request.Id]).Ignore();
            throw;
        }
    }

    /// <summary>Has a worker take a request, or go on with a reply.</summary>
    internal Task<Submission> SubmitAsync(string model, GenerationRequest request, List<string> avoid, bool goesOn, CancellationToken cancellation) =>
        OnWorkerAsync(model, PromptPrefix.Of(request), avoid, goesOn, async key =>
        {
            var answer = await AskAsync(() => Worker(key).SubmitAsync(request), cancellation);
            if (answer is null)
                CancelAsync(key, [.. Names(request)]).Ignore();
            return answer switch
            {
                null => null,
                { State: SubmitState.Accepted } => new Attempt<Submission>(new Submission(key, answer), null),
                _ => new Attempt<Submission>(null, answer.Refusal),
            };
        }, cancellation);

    /// <summary>Asks one worker after the other until one has done what is asked.</summary>
    private async Task<T> OnWorkerAsync<T>(string model, IReadOnlyList<ulong> prefix, List<string> avoid, bool goesOn, Func<string, Task<Attempt<T>?>> ask,
        CancellationToken cancellation)
        where T : class
    {
        var begun = _time.GetTimestamp();
        Refusal? reason = null;
        while (true)
        {
            var assignment = await AskAsync(() => Pool(model).AssignAsync(prefix, [.. avoid]), cancellation);
            if (assignment?.Worker is { } key)
            {
                var attempt = await ask(key);
                if (attempt is { Result: { } result })
                    return result;
                if (attempt is { Refusal: null })
                {
                    if (_time.GetElapsedTime(begun) > Patience.Load)
                        throw new InferenceException(new Refusal(RefusalKind.Unavailable, null, $"The model {model} is still being loaded. Try again later."));
                    continue;
                }

                if (attempt?.Refusal is { } refusal)
                {
                    if (refusal.Kind is not (RefusalKind.QueueFull or RefusalKind.Unavailable))
                        throw new InferenceException(refusal);
                    if (reason?.Kind != RefusalKind.QueueFull)
                        reason = refusal;
                }

                avoid.Add(key);
                continue;
            }

            if (assignment?.Refusal is { Kind: not RefusalKind.Unavailable } final)
                throw new InferenceException(final);
            reason ??= assignment?.Refusal ?? new Refusal(RefusalKind.Unavailable, null, "No inference worker answers. Start a silo with the role inference, or wait until one has started.");
            // A request that has waited nowhere yet is better told to come again; a reply under way is not given up for a full queue.
            if (reason.Kind == RefusalKind.QueueFull && !goesOn || _time.GetElapsedTime(begun) > (goesOn ? Patience.Load : Patience.Worker))
                throw new InferenceException(reason);
            reason = null;
            avoid.Clear();
            await Task.Delay(Patience.Pause, _time, cancellation);
        }
    }

    internal Task<ReplyStretch?> ReadAsync(string worker, string reply, int from, CancellationToken cancellation) =>
        AskAsync(() => Worker(worker).ReadAsync(reply, from), cancellation);

    internal async Task CancelAsync(string worker, IReadOnlyList<string> replies) => await AskAsync(async () =>
    {
        await Worker(worker).CancelAsync(replies);
        return replies;
    }, CancellationToken.None);

    /// <summary>The names that a worker gives to the replies of a request.</summary>
    private static IEnumerable<string> Names(GenerationRequest request) =>
        request.Choice is { } choice ? [ReplyName.Of(request.Id, choice)] : Enumerable.Range(0, request.Settings.Choices).Select(i => ReplyName.Of(request.Id, i));

    private IInferencePoolGrain Pool(string model) => Find<IInferencePoolGrain>(model);

    private IInferenceWorkerGrain Worker(string key) => Find<IInferenceWorkerGrain>(key);

    private T Find<T>(string key)
        where T : IGrainWithStringKey
    {
        try
        {
            return grains.GetGrain<T>(key);
        }
        catch (ArgumentException error)
        {
            // A client learns from its first silo which grains there are.
            throw new OrleansException($"No silo with {typeof(T).Name} was reached.", error);
        }
    }

    private async Task<T> AnswerAsync<T>(Func<Task<T>> call, CancellationToken cancellation)
    {
        try
        {
            return await CallAsync(call, cancellation);
        }
        catch (Exception error) when (IsNoAnswer(error))
        {
            throw new InferenceException(new Refusal(RefusalKind.Unavailable, null, "The cluster does not answer. Start a silo, or wait until it has started."));
        }
    }

    /// <summary>The answer; null where there is none: whoever was asked is dead, unreachable or too slow.</summary>
    private async Task<T?> AskAsync<T>(Func<Task<T>> call, CancellationToken cancellation)
        where T : class
    {
        try
        {
            return await CallAsync(call, cancellation);
        }
        catch (Exception error) when (IsNoAnswer(error))
        {
            return null;
        }
    }

    private async Task<T> CallAsync<T>(Func<Task<T>> call, CancellationToken cancellation)
    {
        var answer = call();
        try
        {
            return await answer.WaitAsync(Patience.Call, _time, cancellation);
        }
        finally
        {
            if (!answer.IsCompleted)
                answer.Ignore();
        }
    }

    private static bool IsNoAnswer(Exception error) => error is OrleansException or TimeoutException or ObjectDisposedException;
}

/// <summary>How a worker names the replies of a request.</summary>
public static class ReplyName
{
    /// <summary>The name.</summary>
    public static string Of(string request, int choice) => FormattableString.Invariant($"{request}/{choice}");
}

/// <summary>What came of asking a worker; null where it did not answer.</summary>
/// <param name="Result">What was asked for.</param>
/// <param name="Refusal">Why there is none; null too where the model is being loaded.</param>
internal sealed record Attempt<T>(T? Result, Refusal? Refusal)
    where T : class;

/// <summary>A request that a worker has taken.</summary>
internal sealed record Submission(string Worker, SubmitAnswer Answer);
