// Which worker answers. Enters: beginnings of prompts, workers' loads, the run's folder. Leaves: workers' keys. Holds nothing that must
// outlive it: an activation on another silo asks the workers again. Does not know: prompts, tokens, engines.
using Cluster.Contracts.Inference;
using Cluster.Contracts.Training;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Placement;

namespace Cluster.Silo.Inference;

/// <inheritdoc cref="IInferencePoolGrain"/>
[KeepAlive, Immovable]
internal sealed partial class InferencePoolGrain(
    InferenceSilos silos, InferenceOptions options, TimeProvider time, ILogger<InferencePoolGrain> logger) : Grain, IInferencePoolGrain
{
    private const int MostPrefixes = 65_536;
    private static readonly TimeSpan s_tick = TimeSpan.FromSeconds(1), s_limit = TimeSpan.FromSeconds(1), s_loading = TimeSpan.FromSeconds(10);

    private readonly Dictionary<string, Candidate> _workers = new(StringComparer.Ordinal);
    private readonly PrefixAffinity _affinity = new(MostPrefixes);
    private readonly PoolScale _scale = new(options, time);
    private ServedModel? _served;
    private RunSource? _source;
    private (ModelDescription? Model, Refusal? Refusal, long At)? _look;
    private readonly Dictionary<string, string> _told = new(StringComparer.Ordinal);
    private readonly Dictionary<string, long> _woken = new(StringComparer.Ordinal);
    private bool _ticks, _busy;

    private string Name => this.GetPrimaryKeyString();

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _served = ReplicaKey.IsName(Name) ? ServedModel.Find(options.RunsPath, Name) : null;
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<Assignment> AssignAsync(IReadOnlyList<ulong> prefix, IReadOnlyList<string> avoid)
    {
        if (await LookAsync(options.Poll) is { Refusal: { } refusal })
            return new Assignment(null, refusal);
        var places = Places();
        var workers = places.Except(avoid, StringComparer.Ordinal).Take(_scale.Workers).Select(Known).ToList();
        if (WorkerChoice.Choose(workers, _affinity.Find(prefix)) is not { } key)
        {
            return new Assignment(null, new Refusal(RefusalKind.Unavailable, null, places.Count == 0
                ? "No silo with the role inference is there. Start one, or wait until it has started."
                : "No inference worker answers. Try again later."));
        }

        if (!_ticks)
        {
            _ticks = true;
            this.RegisterGrainTimer(TickAsync, new GrainTimerCreationOptions(s_tick, s_tick) { Interleave = true, KeepAlive = true });
        }

        _busy = true;
        _affinity.Remember(prefix, key);
        var chosen = Known(key);
        _workers[key] = chosen with { Assigned = chosen.Assigned + 1 };
        return new Assignment(key, null);
    }

    /// <inheritdoc/>
    public async Task<ModelDescription?> DescribeAsync() => (await LookAsync(options.Poll)).Model;

    /// <inheritdoc/>
    public async Task PublishedAsync()
    {
        await LookAsync(TimeSpan.Zero);
        await TellAsync();
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<PoolWorker>> GetWorkersAsync() => Task.FromResult<IReadOnlyList<PoolWorker>>(
        Places().Take(_scale.Workers).Select(key => new PoolWorker(key, Known(key).Load)).ToArray());

    /// <inheritdoc/>
    public async Task<IReadOnlyDictionary<string, WorkerFigures>> GetFiguresAsync()
    {
        var figures = new Dictionary<string, WorkerFigures>(StringComparer.Ordinal);
        await Task.WhenAll(_workers.Keys.Select(async key =>
        {
            var asked = Worker(key).GetFiguresAsync();
            if (await TryAsync(asked))
                figures[key] = await asked;
        }).ToList());
        return figures;
    }

    /// <inheritdoc/>
    public async Task<TokenAnswer> TokenizeAsync(TokenQuestion question)
    {
        try
        {
            var source = await SourceAsync();
            var context = source.Recipe.Model.MaxContext;
            // A long text takes its time, and the grain has others to answer.
            var ids = await Task.Run(() => question.Messages is { } messages
                ? ServedRequest.Chat(messages, source, 1)
                : [.. question.AddSpecialTokens ? [source.Tokenizer.Special.BeginOfText] : Array.Empty<int>(), .. source.Tokenizer.Encode(question.Text ?? "")]);
            return new TokenAnswer(ids, context, null);
        }
        catch (InferenceException refused)
        {
            return new TokenAnswer([], 0, refused.Refusal);
        }
    }

    /// <inheritdoc/>
    public async Task<TextAnswer> DetokenizeAsync(IReadOnlyList<int> ids)
    {
        try
        {
            var source = await SourceAsync();
            ServedRequest.CheckIds(ids, source, "tokens");
            return new TextAnswer(await Task.Run(() => source.Tokenizer.Decode(ids.ToArray())), null);
        }
        catch (InferenceException refused)
        {
            return new TextAnswer("", refused.Refusal);
        }
    }

    /// <summary>Where workers may be: one on each silo, then a second on each, and so on; each model begins with another silo.</summary>
    private List<string> Places()
    {
        var names = silos.Active();
        if (names.Count == 0)
            return [];
        var first = (int)(PromptPrefix.Hash(Name) % (ulong)names.Count);
        return [.. Enumerable.Range(0, names.Count * options.WorkersPerSilo)
            .Select(i => new ReplicaKey(Name, names[(first + i) % names.Count], i / names.Count).ToString())];
    }

    private Candidate Known(string key) => _workers.GetValueOrDefault(key, new Candidate(key, null, 0));

    private IInferenceWorkerGrain Worker(string key) => GrainFactory.GetGrain<IInferenceWorkerGrain>(key);

    /// <summary>Asks the workers how busy they are, adds one where too many wait, and looks for a newer checkpoint.</summary>
    private async Task TickAsync(CancellationToken cancellation)
    {
        var places = Places();
        var workers = places.Take(_scale.Workers).Where(_workers.ContainsKey).ToList();
        foreach (var gone in _workers.Keys.Except(places, StringComparer.Ordinal).ToList())
        {
            _workers.Remove(gone);
            _told.Remove(gone);
            _woken.Remove(gone);
        }

        await Task.WhenAll(workers.Select(AskAsync));
        if (_scale.Look([.. workers.Select(Known)], places.Count))
        {
            LogMore(Name, _scale.Workers);
            if (places.ElementAtOrDefault(_scale.Workers - 1) is { } added)
            {
                _workers.TryAdd(added, Known(added));
                await TryAsync(Worker(added).RefreshAsync());
            }
        }

        await WakeAsync(places);
        await LookAsync(options.Poll);
        await TellAsync();
    }

    /// <summary>
    /// While requests come, has the workers that they are to be spread over load the model: one that is not ready would get none as long as
    /// another is, whether it never had one, gave up its memory, or its silo has just come back.
    /// </summary>
    private async Task WakeAsync(List<string> places)
    {
        if (!_busy)
            return;
        _busy = false;
        var now = time.GetTimestamp();
        var asleep = places.Take(_scale.Workers).Where(key => !Known(key).Ready
            && (!_woken.TryGetValue(key, out var before) || time.GetElapsedTime(before, now) >= s_loading)).ToList();
        await Task.WhenAll(asleep.Select(key =>
        {
            _woken[key] = now;
            _workers.TryAdd(key, Known(key));
            return TryAsync(Worker(key).RefreshAsync());
        }));
    }

    private async Task AskAsync(string key)
    {
        var sent = Known(key).Assigned;
        WorkerLoad? load = null;
        await TryAsync(LoadAsync());
        // What was sent while it answered may be in the answer or not: counted once too often for a second at most.
        var now = Known(key);
        _workers[key] = new Candidate(key, load, Math.Max(0, now.Assigned - sent));

        async Task LoadAsync() => load = await Worker(key).GetLoadAsync();
    }

    /// <summary>Has the workers look for the newest checkpoint, if they were not told of it yet.</summary>
    private async Task TellAsync()
    {
        if (_look?.Model?.Weights is not { } newest)
            return;
        // One that has given up its memory finds it when it loads.
        var untold = _workers.Values.Where(worker => worker.Load is null or { Ready: true } && worker.Load?.Weights != newest
            && _told.GetValueOrDefault(worker.Key) != newest).Select(worker => worker.Key).ToList();
        await Task.WhenAll(untold.Select(async key =>
        {
            if (await TryAsync(Worker(key).RefreshAsync()))
                _told[key] = newest;
        }));
    }

    /// <summary>What the folder holds, as it was seen at most so long ago.</summary>
    private async Task<(ModelDescription? Model, Refusal? Refusal)> LookAsync(TimeSpan age)
    {
        // Asking for a model that nobody trained must not leave a grain behind for good.
        if (_served is null)
            DeactivateOnIdle();
        if (_look is not { } seen || time.GetElapsedTime(seen.At) >= age)
        {
            var (model, refusal) = await Task.Run(() => ModelIndexGrain.Describe(_served, Name));
            if (refusal is not null && _served is not null)
                LogUnusable(Name, refusal.Message);
            _look = seen = (model, refusal, time.GetTimestamp());
        }

        return (seen.Model, seen.Refusal);
    }

    private async Task<RunSource> SourceAsync()
    {
        if ((await LookAsync(options.Poll)).Refusal is { } refusal)
            throw new InferenceException(refusal);
        try
        {
            return _source ??= await Task.Run(() => RunSource.Open(_served!.Folder, _served.Quantized));
        }
        catch (UserErrorException error)
        {
            throw new InferenceException(new Refusal(RefusalKind.Unavailable, null, error.Message));
        }
    }

    private static async Task<bool> TryAsync(Task call)
    {
        try
        {
            await call.WaitAsync(s_limit);
            return true;
        }
        catch (Exception error) when (error is OrleansException or TimeoutException)
        {
            // Its silo has died or is about to; whoever reads there finds out for himself.
            return false;
        }
    }

    [LoggerMessage(LogLevel.Information, "Requests for {Model} wait: it has {Workers} workers now")]
    private partial void LogMore(string model, int workers);

    [LoggerMessage(LogLevel.Warning, "The model {Model} cannot be served: {Reason}")]
    private partial void LogUnusable(string model, string reason);
}
