// Many requests at a time over one backend. Enters: prompt ids, options, cancellations. Leaves: streams of tokens, figures.
// Knows backend, scheduler and sampling; does not know tokenizers (but for the bytes of ids), grains, HTTP.
using System.Runtime.InteropServices;
using Cluster.Core.Errors;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Inference.Generation;
using Cluster.Inference.Sampling;
using Cluster.Inference.Scheduling;

namespace Cluster.Inference.Serving;

/// <summary>
/// Owns a backend and computes on one thread of its own what a <see cref="Scheduler"/> plans. A reply's tokens and log-probabilities
/// depend on its request only, to the last bit: not on other requests, preemptions, found prefixes or the scheduler's options.
/// All members may be called from any thread; none but <see cref="Dispose"/> waits for a step.
/// </summary>
public sealed class InferenceEngine : IDisposable
{
    private readonly IDecodeBackend _backend;
    private readonly ITokenText _tokens;
    private readonly Scheduler _scheduler;
    private readonly Sampler _sampler;
    private readonly TimeProvider _time;
    private readonly Thread? _thread;
    private EngineTrace _trace = new([]);
    private DecodeSequence[] _sequences = [];
    private int[] _ids = [];

    // The gate guards all that follows and the scheduler; it is not held while the backend computes or a token is drawn.
    private readonly object _gate = new();
    private readonly Dictionary<ScheduledRequest, EngineJob> _jobs = [];
    private readonly List<EngineJob> _cancelled = [];
    private readonly Dictionary<FinishReason, long> _finished = [];
    private readonly Histogram _queueTime = new(), _firstToken = new(), _interToken = new(), _endToEnd = new();
    private readonly TaskCompletionSource _drained = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private long _promptTokens, _generationTokens;
    private EngineUnavailableException? _unavailable;
    private bool _failed, _stopping;

    /// <param name="backend">The model; the engine's from now on, to be disposed of with it.</param>
    /// <param name="tokens">The bytes of its ids; may be asked from several threads.</param>
    /// <param name="options">Limits.</param>
    /// <param name="time">Clock of deadlines and latencies; the system's if null.</param>
    /// <exception cref="UserErrorException">The tokenizer has more ids than the model, or an option is out of range.</exception>
    public InferenceEngine(IDecodeBackend backend, ITokenText tokens, SchedulerOptions options, TimeProvider? time = null)
        : this(backend, tokens, options, time, ownThread: true)
    {
    }

    /// <summary>Without a thread: each step is taken by <see cref="Step"/>, so that a test decides what happens before which.</summary>
    internal InferenceEngine(IDecodeBackend backend, ITokenText tokens, SchedulerOptions options, TimeProvider? time, bool ownThread)
    {
        if (tokens.Count < 1 || tokens.Count > backend.Shape.Vocabulary)
            throw new UserErrorException($"The tokenizer has {tokens.Count} ids, the model's vocabulary {backend.Shape.Vocabulary}.",
                "Use the tokenizer that the model was trained with.");
        (_backend, _tokens, _time) = (backend, tokens, time ?? TimeProvider.System);
        _scheduler = new Scheduler(backend, options, _time);
        _sampler = new Sampler(tokens.Count);
        if (!ownThread)
            return;
        _thread = new Thread(Run) { IsBackground = true, Name = "Inference engine" };
        _thread.Start();
    }

    /// <summary>What spans of steps are tagged with: the model, its weights.</summary>
    public IEnumerable<KeyValuePair<string, object?>> TraceTags
    {
        init => _trace = new EngineTrace(value);
    }

    /// <summary>Takes in a request.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="cancellation">Ends all its replies.</param>
    /// <returns>As many replies as the options ask for.</returns>
    /// <exception cref="UserErrorException">Prompt, reply so far or options are not as they must be.</exception>
    /// <exception cref="QueueFullException">Too many requests wait.</exception>
    /// <exception cref="EngineUnavailableException">The engine has failed or is to end.</exception>
    public IReadOnlyList<EngineReply> Submit(InferenceRequest request, CancellationToken cancellation = default)
    {
        int[] prompt = [.. request.Prompt], emitted = [.. request.Emitted];
        request.Options.Validate(_tokens.Count);
        var count = request.Options.Choices;
        if (count > 1 && emitted.Length > 0)
            throw new UserErrorException($"n is {count} for a reply that goes on.", "Continue one reply at a time.");
        var states = new GenerationState[count];
        for (var i = 0; i < count; i++)
            states[i] = new GenerationState(prompt, request.Options.OfChoice(i, request.Stream), _tokens, _scheduler.MaxContext, request.Stream, emitted);

        var (replies, trace) = (new EngineReply[count], EngineTrace.Asking);
        lock (_gate)
        {
            if (_unavailable is { } unavailable)
                throw new EngineUnavailableException(unavailable.Message, unavailable.InnerException);
            var scheduled = _scheduler.Add(prompt, count, emitted, request.Timeout);
            for (var i = 0; i < count; i++)
                _jobs.Add(scheduled[i], replies[i] = new EngineReply(this, i, states[i], scheduled[i]) { Trace = trace });
            Monitor.Pulse(_gate);
        }

        Listen(replies, cancellation);
        return replies;
    }

    /// <summary>Takes in a text whose hidden states are wanted.</summary>
    /// <param name="ids">At least one.</param>
    /// <param name="timeout">Most time; the engine's own limit if null.</param>
    /// <param name="cancellation">Ends it.</param>
    /// <exception cref="UserErrorException">There are too few or too many ids, or one is unknown.</exception>
    /// <exception cref="QueueFullException">Too many requests wait.</exception>
    /// <exception cref="EngineUnavailableException">The engine has failed or is to end.</exception>
    public EngineEmbedding Embed(ReadOnlySpan<int> ids, TimeSpan? timeout = null, CancellationToken cancellation = default)
    {
        foreach (var id in ids)
        {
            if (id < 0 || id >= _tokens.Count)
                throw new UserErrorException($"The text holds the token id {id}.", $"Give ids from 0 to {_tokens.Count - 1}; is this the model's own tokenizer?");
        }

        EngineEmbedding embedding;
        var trace = EngineTrace.Asking;
        lock (_gate)
        {
            if (_unavailable is { } unavailable)
                throw new EngineUnavailableException(unavailable.Message, unavailable.InnerException);
            var scheduled = _scheduler.Add(ids, timeout: timeout, whole: true)[0];
            _jobs.Add(scheduled, embedding = new EngineEmbedding(this, scheduled, _backend.Shape.Width) { Trace = trace });
            Monitor.Pulse(_gate);
        }

        Listen([embedding], cancellation);
        return embedding;
    }

    /// <summary>What the engine is doing and has done.</summary>
    public EngineSnapshot Snapshot()
    {
        lock (_gate)
        {
            var cache = _backend.Cache;
            return new EngineSnapshot
            {
                Healthy = !_failed,
                Unavailable = _unavailable?.Message,
                Running = _scheduler.Running,
                Waiting = _scheduler.Waiting,
                Blocks = cache.Count,
                HeldBlocks = cache.Held,
                CachedBlocks = cache.Cached,
                EvictedBlocks = cache.Evicted,
                PrefixQueriedTokens = _scheduler.PrefixQueriedTokens,
                PrefixHitTokens = _scheduler.PrefixHitTokens,
                Preemptions = _scheduler.Preemptions,
                PromptTokens = _promptTokens,
                GenerationTokens = _generationTokens,
                Finished = new Dictionary<FinishReason, long>(_finished),
                QueueTime = _queueTime.Snapshot(),
                TimeToFirstToken = _firstToken.Snapshot(),
                InterTokenLatency = _interToken.Snapshot(),
                EndToEndLatency = _endToEnd.Snapshot(),
            };
        }
    }

    /// <summary>Takes no more requests; done when the last one under way has ended.</summary>
    public Task DrainAsync()
    {
        lock (_gate)
        {
            _unavailable ??= new EngineUnavailableException("The engine takes no more requests: it is to end.");
            if (_jobs.Count == 0)
                _drained.TrySetResult();
        }

        return _drained.Task;
    }

    /// <summary>Ends the step under way, then all replies as cancelled, and disposes of the backend.</summary>
    public void Dispose()
    {
        lock (_gate)
        {
            if (_stopping)
                return;
            _stopping = true;
            _unavailable ??= new EngineUnavailableException("The engine has ended.");
            Monitor.Pulse(_gate);
        }

        _thread?.Join();
        lock (_gate)
            EndAll(FinishReason.Cancelled, null);
        _sampler.Dispose();
        _backend.Dispose();
    }

    internal void Cancel(EngineJob job)
    {
        lock (_gate)
        {
            // The blocks of a running one may be in use until the step ends.
            if (job.Request.State == RequestState.Waiting)
                End(job, FinishReason.Cancelled);
            else if (job.Request.State == RequestState.Running)
                _cancelled.Add(job);
        }
    }

    /// <summary>Computes one step; false if there was nothing to compute.</summary>
    internal bool Step()
    {
        try
        {
            StepPlan plan;
            System.Diagnostics.Activity? step;
            lock (_gate)
            {
                plan = Plan();
                step = _trace.Begin(plan, request => _jobs[request]);
            }

            using var _ = step;
            if (plan.Decodes.Count > 0)
                Decode(plan.Decodes);
            foreach (var work in plan.Prefills)
            {
                if (Job(work.Request) is EngineEmbedding embedding)
                {
                    Embed(embedding, work);
                    continue;
                }

                var logits = _backend.Prefill(work.Request.Sequence!, work.Ids, work.Samples ? LogitRows.Last : LogitRows.None);
                Computed(work.Request, work.Samples, logits);
            }

            return !plan.IsEmpty;
        }
        catch (Exception error)
        {
            lock (_gate)
            {
                _failed = true;
                _unavailable = new EngineUnavailableException($"The model failed: {error.Message}", error);
                EndAll(FinishReason.Failed, _unavailable);
            }

            return false;
        }
    }

    private void Run()
    {
        while (true)
        {
            lock (_gate)
            {
                while (!_stopping && _jobs.Count == 0)
                    Monitor.Wait(_gate);
                if (_stopping)
                    return;
            }

            Step();
        }
    }

    private StepPlan Plan()
    {
        foreach (var job in _cancelled)
            End(job, FinishReason.Cancelled);
        _cancelled.Clear();
        var plan = _scheduler.Plan();
        foreach (var request in plan.Expired)
            End(_jobs[request], FinishReason.Deadline);
        foreach (var work in plan.Decodes)
            Begin(work.Request);
        foreach (var work in plan.Prefills)
            Begin(work.Request);
        return plan;
    }

    private void Begin(ScheduledRequest request)
    {
        var job = _jobs[request];
        if (job.Begun)
            return;
        job.Begun = true;
        _queueTime.Record(_time.GetElapsedTime(request.Arrived));
    }

    private EngineJob Job(ScheduledRequest request)
    {
        lock (_gate)
            return _jobs[request];
    }

    private void Listen(IEnumerable<EngineJob> jobs, CancellationToken cancellation)
    {
        if (!cancellation.CanBeCanceled)
            return;
        foreach (var job in jobs)
        {
            var registration = cancellation.UnsafeRegister(static job => ((EngineJob)job!).Cancel(), job);
            lock (_gate)
            {
                if (job.Finish is null)
                    job.Registration = registration;
                else
                    registration.Unregister();
            }
        }
    }

    private void Embed(EngineEmbedding embedding, PrefillWork work)
    {
        if (work.Start == 0)
            embedding.Hidden.Reset();
        embedding.Hidden.Add(_backend, work.Request.Sequence!, work.Ids);
        lock (_gate)
        {
            _scheduler.Computed(work.Request);
            if (!work.Samples)
                return;
            _promptTokens += work.Request.PromptLength;
            End(embedding, FinishReason.Stop);
        }
    }

    private void Decode(IReadOnlyList<DecodeWork> work)
    {
        if (_ids.Length < work.Count)
            (_sequences, _ids) = (new DecodeSequence[work.Count], new int[work.Count]);
        for (var i = 0; i < work.Count; i++)
            (_sequences[i], _ids[i]) = (work[i].Request.Sequence!, work[i].Id);
        var logits = _backend.Decode(_sequences.AsSpan(0, work.Count), _ids.AsSpan(0, work.Count));
        var vocabulary = _backend.Shape.Vocabulary;
        for (var i = 0; i < work.Count; i++)
            Computed(work[i].Request, work[i].Samples, logits.Slice(i * vocabulary, vocabulary));
    }

    /// <summary>A request's part of the step is in the cache; its next token is drawn if it is not known yet.</summary>
    private void Computed(ScheduledRequest request, bool samples, ReadOnlySpan<float> logits)
    {
        EngineReply reply;
        lock (_gate)
        {
            _scheduler.Computed(request);
            reply = (EngineReply)_jobs[request];
        }

        if (!samples)
            return;
        GeneratedToken token;
        try
        {
            token = reply.State.Advance(logits, _sampler);
        }
        catch (Exception error)
        {
            lock (_gate)
                End(reply, FinishReason.Failed, error);
            return;
        }

        lock (_gate)
        {
            _scheduler.Append(request, token.Id);
            Count(reply);
            reply.Write(token);
            if (token.Finish is { } finish)
                End(reply, finish);
        }
    }

    private void Count(EngineReply reply)
    {
        var now = _time.GetTimestamp();
        _generationTokens++;
        if (reply.LastToken is { } last)
        {
            _interToken.Record(_time.GetElapsedTime(last, now));
        }
        else
        {
            _firstToken.Record(_time.GetElapsedTime(reply.Request.Arrived, now));
            _promptTokens += reply.Request.PromptLength;
        }

        reply.LastToken = now;
    }

    private void End(EngineJob job, FinishReason finish, Exception? error = null)
    {
        _scheduler.End(job.Request);
        if (!_jobs.Remove(job.Request))
            return;
        CollectionsMarshal.GetValueRefOrAddDefault(_finished, finish, out _)++;
        if (finish is FinishReason.Stop or FinishReason.Length or FinishReason.Context)
            _endToEnd.Record(_time.GetElapsedTime(job.Request.Arrived));
        job.Complete(finish, error);
        if (_jobs.Count == 0 && _unavailable is not null)
            _drained.TrySetResult();
    }

    private void EndAll(FinishReason finish, Exception? error)
    {
        foreach (var job in _jobs.Values.ToArray())
            End(job, finish, error);
    }
}
