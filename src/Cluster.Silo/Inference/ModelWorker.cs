// A model on this silo: the engine that answers, and those that end with their last reply. Enters: requests, reads, "look for newer
// weights". Leaves: stretches of replies, load. Does not know: grains, other workers, who asks.
using Cluster.Contracts.Inference;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Inference.Scheduling;
using Cluster.Inference.Serving;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Logging;

namespace Cluster.Silo.Inference;

/// <summary>
/// Serves one run's model. Weights are loaded one set at a time, beside the callers; a reply keeps the weights that it was begun with.
/// All members may be called from any thread.
/// </summary>
internal sealed partial class ModelWorker : IAsyncDisposable
{
    private static readonly TimeSpan s_wait = TimeSpan.FromSeconds(1), s_retry = TimeSpan.FromSeconds(5);

    private readonly ServedModel? _served;
    private readonly InferenceOptions _options;
    private readonly EngineLimit _limit;
    private readonly Func<bool> _makeRoom;
    private readonly TimeProvider _time;
    private readonly InferenceInstruments _instruments;
    private readonly ILogger _logger;

    // The gate guards all that follows. It is not held while anything is loaded, tokenized or disposed of.
    private readonly Lock _gate = new();
    private readonly List<ServedEngine> _engines = [];
    private readonly Dictionary<string, ServedReply> _replies = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SubmitAnswer> _accepted = new(StringComparer.Ordinal);
    private readonly Dictionary<string, EmbeddingWork> _embeddings = new(StringComparer.Ordinal);
    private ServedEngine? _current;
    private Task _loading = Task.CompletedTask;
    private (string? Weights, Refusal Refusal, long At)? _failure;
    private WorkerFigures _ended = new();
    private long _asked;
    private bool _stopped;

    /// <param name="model">The model's name.</param>
    /// <param name="options">Limits.</param>
    /// <param name="limit">The silo's engines.</param>
    /// <param name="makeRoom">Ends an engine of this silo that nobody needs; false if there is none.</param>
    /// <param name="time">Clock of deadlines.</param>
    /// <param name="instruments">Told of times.</param>
    /// <param name="logger">Told of loads and failures.</param>
    public ModelWorker(string model, InferenceOptions options, EngineLimit limit, Func<bool> makeRoom, TimeProvider time, InferenceInstruments instruments,
        ILogger logger)
    {
        (Model, _options, _limit, _makeRoom, _time, _instruments, _logger) = (model, options, limit, makeRoom, time, instruments, logger);
        _served = ServedModel.Find(options.RunsPath, model);
        _asked = time.GetTimestamp();
    }

    /// <summary>The model's name.</summary>
    public string Model { get; }

    /// <summary>As <see cref="IInferenceWorkerGrain.SubmitAsync"/>.</summary>
    public async Task<SubmitAnswer> SubmitAsync(GenerationRequest request)
    {
        lock (_gate)
        {
            if (_accepted.TryGetValue(request.Id, out var before) && !_stopped)
                return before;
        }

        var (engine, refusal) = await EngineAsync(request.Weights);
        if (refusal is not null)
            return Refused(refusal);
        if (engine is null)
            return new SubmitAnswer(SubmitState.Loading, [], 0, null, null);
        // A long text takes its time to become tokens, and the grain has others to answer.
        return await Task.Run(() => Begin(request, engine));
    }

    /// <summary>As <see cref="IInferenceWorkerGrain.EmbedAsync"/>.</summary>
    public async Task<EmbeddingAnswer> EmbedAsync(EmbeddingRequest request)
    {
        EmbeddingWork? work;
        lock (_gate)
            _embeddings.TryGetValue(request.Id, out work);
        if (work is null)
        {
            var (engine, refusal) = await EngineAsync(null);
            if (refusal is not null)
                return new EmbeddingAnswer(EmbeddingState.Refused, [], 0, refusal);
            if (engine is null)
                return new EmbeddingAnswer(EmbeddingState.Loading, [], 0, null);
            lock (_gate)
            {
                if (_stopped || !_engines.Contains(engine))
                    return new EmbeddingAnswer(EmbeddingState.Refused, [], 0, new Refusal(RefusalKind.Unavailable, null, "The engine has just ended."));
                if (!_embeddings.TryGetValue(request.Id, out work))
                {
                    engine.Replies++;
                    _embeddings.Add(request.Id, work = new EmbeddingWork(_time));
                    work.Answer = Task.Run(() => EmbedAsync(request, engine, work.Stop.Token));
                }
            }
        }

        work.Touch();
        await Task.WhenAny(work.Answer, Task.Delay(s_wait));
        return work.Answer.IsCompleted ? await work.Answer : new EmbeddingAnswer(EmbeddingState.Running, [], 0, null);
    }

    /// <summary>As <see cref="IInferenceWorkerGrain.ReadAsync"/>.</summary>
    public Task<ReplyStretch> ReadAsync(string reply, int from)
    {
        ServedReply? found;
        lock (_gate)
            _replies.TryGetValue(reply, out found);
        return found?.ReadAsync(from) ?? Task.FromResult(new ReplyStretch(ReplyState.Lost, [], null));
    }

    /// <summary>As <see cref="IInferenceWorkerGrain.CancelAsync"/>.</summary>
    public void Cancel(IEnumerable<string> replies)
    {
        foreach (var name in replies)
        {
            ServedReply? found;
            EmbeddingWork? work;
            lock (_gate)
            {
                _embeddings.Remove(name, out work);
                _replies.Remove(name, out found);
                _accepted.Remove(name[..Math.Max(0, name.LastIndexOf('/'))]);
            }

            found?.Cancel();
            work?.Stop.Cancel();
        }
    }

    /// <summary>As <see cref="IInferenceWorkerGrain.RefreshAsync"/>.</summary>
    public void Refresh()
    {
        lock (_gate)
        {
            if (!_stopped && _served is not null)
                _loading = _loading.ContinueWith(_ => Load(null, replaces: true), TaskScheduler.Default);
        }
    }

    /// <summary>As <see cref="IInferenceWorkerGrain.GetLoadAsync"/>.</summary>
    public WorkerLoad Load()
    {
        ServedEngine? current;
        int engines;
        lock (_gate)
            (current, engines) = (_stopped ? null : _current, _engines.Count);
        if (current is null)
            return new WorkerLoad(false, null, 0, 0, 0, 0, engines);
        var s = current.Engine.Snapshot();
        return new WorkerLoad(s.Unavailable is null, current.Weights, s.Blocks - s.HeldBlocks, s.Blocks, s.Waiting, s.Running, engines);
    }

    /// <summary>As <see cref="IInferenceWorkerGrain.GetFiguresAsync"/>.</summary>
    public WorkerFigures Figures()
    {
        lock (_gate)
            return _engines.Aggregate(_ended, (sum, engine) => EngineFigures.Add(sum, EngineFigures.Of(engine.Engine.Snapshot())));
    }

    /// <summary>Cancels replies that nobody reads and ends engines that nobody needs. To be called now and then.</summary>
    public void Sweep()
    {
        ServedReply[] unread;
        var idle = _time.GetElapsedTime(Volatile.Read(ref _asked)) >= _options.Idle;
        lock (_gate)
            unread = [.. _replies.Values.Where(reply => reply.Unread >= _options.Unread)];
        if (unread.Count(reply => !reply.Ended.IsCompleted) is > 0 and var count)
            LogUnread(Model, count, _options.Unread.TotalSeconds);
        Cancel(unread.Select(reply => reply.Name));
        string[] forgotten;
        lock (_gate)
            forgotten = [.. _embeddings.Where(work => work.Value.Unread >= _options.Unread).Select(work => work.Key)];
        Cancel(forgotten);
        DisposeOf(engine => engine.Replies == 0 && (idle || engine != _current || engine.Engine.Snapshot().Unavailable is not null));
    }

    /// <summary>Ends an engine without replies; false if there is none.</summary>
    public bool FreeIdle() => DisposeOf(engine => engine.Replies == 0);

    /// <summary>Gives up all replies, to be gone on with elsewhere, and takes no requests any more.</summary>
    public void Stop()
    {
        ServedReply[] replies;
        lock (_gate)
        {
            _stopped = true;
            replies = [.. _replies.Values];
        }

        foreach (var reply in replies)
            reply.Lose();
        string[] embeddings;
        lock (_gate)
            embeddings = [.. _embeddings.Keys];
        Cancel(embeddings);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        Stop();
        Task loading;
        lock (_gate)
            loading = _loading;
        await loading;
        DisposeOf(_ => true);
    }

    /// <summary>The engine with such weights, the newest if none are named; loads them if there is none. Neither of the two: it is not loaded yet.</summary>
    private async Task<(ServedEngine? Engine, Refusal? Refusal)> EngineAsync(string? weights)
    {
        Volatile.Write(ref _asked, _time.GetTimestamp());
        if (_served is null)
            return (null, new Refusal(RefusalKind.UnknownModel, "model", $"There is no model called \"{Model}\"."));
        Task loading;
        lock (_gate)
        {
            if (_stopped)
                return (null, new Refusal(RefusalKind.Unavailable, null, "The worker is to end."));
            if (Find(weights) is { } engine)
                return (engine, null);
            if (FailureOf(weights) is { } refusal)
                return (null, refusal);
            if (_loading.IsCompleted)
                _loading = Task.Run(() => Load(weights, replaces: false));
            loading = _loading;
        }

        await Task.WhenAny(loading, Task.Delay(s_wait));
        lock (_gate)
            return Find(weights) is { } engine ? (engine, null) : (null, FailureOf(weights));
    }

    private async Task<EmbeddingAnswer> EmbedAsync(EmbeddingRequest request, ServedEngine served, CancellationToken cancellation)
    {
        try
        {
            var texts = ServedEmbeddings.Tokenize(request, served.Source);
            var vectors = await ServedEmbeddings.ComputeAsync(request, texts, served.Engine, cancellation);
            return new EmbeddingAnswer(EmbeddingState.Done, vectors, texts.Sum(text => text.Length), null);
        }
        catch (InferenceException refused)
        {
            return new EmbeddingAnswer(EmbeddingState.Refused, [], 0, refused.Refusal);
        }
        catch (Exception error)
        {
            LogUnavailable(Model, error);
            return new EmbeddingAnswer(EmbeddingState.Refused, [], 0, new Refusal(RefusalKind.Unavailable, null, "The model failed and is loaded anew. Try again later."));
        }
        finally
        {
            lock (_gate)
                served.Replies--;
            Retire(served);
        }
    }

    private SubmitAnswer Begin(GenerationRequest request, ServedEngine served)
    {
        // Counted first, so that it is not disposed of meanwhile.
        lock (_gate)
        {
            if (_stopped || !_engines.Contains(served))
                return Refused(new Refusal(RefusalKind.Unavailable, null, "The engine has just ended."));
            served.Replies++;
        }

        RequestTrace? trace = RequestTrace.Begin(request, Model, served);
        try
        {
            var asked = ServedRequest.Of(request, served.Source);
            var replies = served.Engine.Submit(asked);
            trace.Begun(asked.Prompt.Count, replies.Count);
            var bytes = request.Settings.LogProbabilities || request.Settings.TopLogProbabilities > 0;
            ServedReply[] begun = [.. replies.Select(reply =>
                new ServedReply(ReplyName.Of(request.Id, request.Choice ?? reply.Choice), reply, Model, served.Source.Tokenizer, bytes, _time, _instruments))];
            var answer = new SubmitAnswer(SubmitState.Accepted, begun.Select(reply => reply.Name).ToArray(), asked.Prompt.Count, served.Weights, null);
            lock (_gate)
            {
                if (_stopped || _accepted.ContainsKey(request.Id))
                {
                    foreach (var reply in begun)
                        reply.Cancel();
                    return _accepted.GetValueOrDefault(request.Id) ?? Refused(new Refusal(RefusalKind.Unavailable, null, "The worker is to end."));
                }

                _accepted.Add(request.Id, answer);
                foreach (var reply in begun)
                    _replies[reply.Name] = reply;
                served.Replies += begun.Length;
            }

            foreach (var reply in begun)
                ReleaseAsync(reply, served, trace).Ignore();
            trace = null;
            return answer;
        }
        catch (InferenceException refused)
        {
            return Refused(refused.Refusal);
        }
        catch (UserErrorException error)
        {
            return Refused(ServedRequest.Refused(error).Refusal);
        }
        catch (QueueFullException full)
        {
            return Refused(new Refusal(RefusalKind.QueueFull, null,
                FormattableString.Invariant($"{full.Waiting} requests are waiting and at most {full.Most} may. Try again later.")));
        }
        catch (EngineUnavailableException error)
        {
            LogUnavailable(Model, error);
            return Refused(new Refusal(RefusalKind.Unavailable, null, "The model failed and is loaded anew. Try again later."));
        }
        finally
        {
            trace?.Refused();
            lock (_gate)
                served.Replies--;
            Retire(served);
        }
    }

    private async Task ReleaseAsync(ServedReply reply, ServedEngine served, RequestTrace trace)
    {
        await reply.Ended.ConfigureAwait(false);
        trace.Ended(reply.Count, reply.Finish);
        lock (_gate)
            served.Replies--;
        Retire(served);
    }

    /// <summary>Ends an engine that nobody needs any more; one that failed answers nobody either.</summary>
    private void Retire(ServedEngine served)
    {
        var failed = served.Engine.Snapshot().Unavailable is not null;
        lock (_gate)
        {
            if (failed && _current == served)
                _current = null;
        }

        DisposeOf(engine => engine == served && engine != _current && engine.Replies == 0);
    }

    private bool DisposeOf(Func<ServedEngine, bool> which)
    {
        ServedEngine[] gone;
        lock (_gate)
        {
            gone = [.. _engines.Where(which)];
            _engines.RemoveAll(gone.Contains);
            foreach (var engine in gone)
                _ended = EngineFigures.Add(_ended, EngineFigures.Of(engine.Engine.Snapshot(), ended: true));
            if (gone.Contains(_current))
                _current = null;
        }

        foreach (var engine in gone)
        {
            LogEnded(Model, engine.Weights);
            _limit.Return();
            // Waits for the step at hand, which no caller should.
            _ = Task.Run(engine.Engine.Dispose);
        }

        return gone.Length > 0;
    }

    /// <summary>Loads weights, the newest if none are named.</summary>
    private void Load(string? weights, bool replaces)
    {
        try
        {
            var source = RunSource.Open(_served!.Folder, _served.Quantized);
            RunWeights? found;
            if (weights is null)
                found = source.LatestWeights(warning => LogDamaged(Model, warning));
            else
                found = source.WeightsOf(weights);
            if (found is null)
            {
                Fail(weights, new Refusal(RefusalKind.WeightsGone, null,
                    $"The weights {weights} that the reply was begun with are gone. Ask anew."));
                return;
            }

            lock (_gate)
            {
                if (_stopped)
                    return;
                if (_engines.Find(engine => engine.Weights == found.Sha256 && engine.Engine.Snapshot().Unavailable is null) is { } present)
                {
                    if (weights is null)
                        _current = present;
                    return;
                }

                replaces &= _current is not null;
            }

            while (!_limit.TryTake(replaces))
            {
                if (!_makeRoom())
                {
                    Fail(weights, new Refusal(RefusalKind.Unavailable, null,
                        FormattableString.Invariant($"The silo has {_limit.Count} engines at work and may have {_limit.Most}. Try again later.")));
                    return;
                }
            }

            ServedEngine loaded;
            try
            {
                var decoder = source.Decoder(found, _options.Precision, _options.CacheTokens, _options.Backend, _options.Threads);
                try
                {
                    loaded = new ServedEngine(source, found, new InferenceEngine(decoder, new TokenizerText(source.Tokenizer), _options.Scheduler, _time)
                    {
                        TraceTags = RequestTrace.Tags(Model, found.Stage, found.Step, found.Sha256),
                    });
                }
                catch
                {
                    decoder.Dispose();
                    throw;
                }
            }
            catch
            {
                _limit.Return();
                throw;
            }

            Publish(loaded, isCurrent: weights is null);
        }
        catch (UserErrorException error)
        {
            LogNotLoaded(Model, error);
            Fail(weights, new Refusal(RefusalKind.Unavailable, null, $"The model cannot be loaded: {error.Message}"));
        }
        catch (Exception error)
        {
            LogNotLoaded(Model, error);
            Fail(weights, new Refusal(RefusalKind.Unavailable, null, "The model cannot be loaded; the silo's log says why."));
        }
    }

    private void Publish(ServedEngine loaded, bool isCurrent)
    {
        LogLoaded(Model, loaded.From.Stage, loaded.From.Step, loaded.Weights);
        ServedEngine? before = null;
        lock (_gate)
        {
            _engines.Add(loaded);
            _failure = null;
            if (isCurrent)
                (before, _current) = (_current, loaded);
        }

        if (before is not null)
            Retire(before);
    }

    private void Fail(string? weights, Refusal refusal)
    {
        lock (_gate)
            _failure = (weights, refusal, _time.GetTimestamp());
    }

    /// <summary>Why a load failed just now; it is tried again after a while.</summary>
    private Refusal? FailureOf(string? weights) =>
        _failure is { } failure && failure.Weights == weights && _time.GetElapsedTime(failure.At) < s_retry ? failure.Refusal : null;

    private ServedEngine? Find(string? weights) => weights is null
        ? _current
        : _engines.Find(engine => engine.Weights == weights && engine.Engine.Snapshot().Unavailable is null);

    private static SubmitAnswer Refused(Refusal refusal) => new(SubmitState.Refused, [], 0, null, refusal);

    /// <summary>Texts on their way to be vectors, kept until whoever asked has had the time to hear of it.</summary>
    private sealed class EmbeddingWork(TimeProvider time)
    {
        private long _read = time.GetTimestamp();

        public CancellationTokenSource Stop { get; } = new();

        public Task<EmbeddingAnswer> Answer { get; set; } = null!;

        public TimeSpan Unread => time.GetElapsedTime(Volatile.Read(ref _read));

        public void Touch() => Volatile.Write(ref _read, time.GetTimestamp());
    }

    [LoggerMessage(LogLevel.Information, "The model {Model} answers with the weights of {Stage} step {Step} ({Weights})")]
    private partial void LogLoaded(string model, string stage, long step, string weights);

    [LoggerMessage(LogLevel.Information, "An engine of {Model} with the weights {Weights} ended: nobody needs it")]
    private partial void LogEnded(string model, string weights);

    [LoggerMessage(LogLevel.Warning, "{Model}: {Warning}")]
    private partial void LogDamaged(string model, string warning);

    [LoggerMessage(LogLevel.Warning, "{Count} replies of {Model} were cancelled: nobody read them for {Seconds} s")]
    private partial void LogUnread(string model, int count, double seconds);

    [LoggerMessage(LogLevel.Error, "The model {Model} cannot be loaded")]
    private partial void LogNotLoaded(string model, Exception error);

    [LoggerMessage(LogLevel.Error, "An engine of {Model} takes no requests")]
    private partial void LogUnavailable(string model, Exception error);
}
