// Which requests advance in the next step. Enters: prompts, drawn tokens, cancellations, the time. Leaves: plans. Pure bookkeeping over
// the blocks of a pool: it does not know backends, logits, options of sampling, text or threads.
// Continuous batching (Yu et al., "Orca", 2022) with chunked prefill (Agrawal et al., "Sarathi-Serve", 2024): each step computes one
// token of every running reply, then pieces of prompts within what is left of a budget of tokens.
using Cluster.Core.Errors;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;

namespace Cluster.Inference.Scheduling;

/// <summary>
/// Plans the steps of a backend. First come, first served: requests begin in the order of arrival, and where blocks run out, the
/// running one that arrived last gives its blocks back and goes to the front of the queue. So every running request arrived before
/// every waiting one, the oldest request takes part in every step, and each request ends in its time.
/// What is computed how does not depend on other requests: prompts are cut at multiples of the backend's chunk; a preempted request
/// has its prompt prefilled as before and the reply's tokens replayed through decode, as far as blocks with just that content are not
/// found in the cache. One thread at a time.
/// </summary>
public sealed class Scheduler
{
    private readonly IDecodeBackend _backend;
    private readonly KvBlockPool _pool;
    private readonly SchedulerOptions _options;
    private readonly TimeProvider _time;
    private readonly int _chunk, _maxPrompt;

    // Both in the order of arrival.
    private readonly List<ScheduledRequest> _waiting = [], _running = [];
    private readonly StepPlan _plan = new();
    private readonly int[] _found;
    private long _arrivals;

    /// <param name="backend">Asked for its chunk, its pool and empty sequences only.</param>
    /// <param name="options">Checked here.</param>
    /// <param name="time">Clock of the deadlines; the system's if null.</param>
    /// <exception cref="UserErrorException">An option is out of range, or the cache has no room for one sequence of full length.</exception>
    public Scheduler(IDecodeBackend backend, SchedulerOptions options, TimeProvider? time = null)
    {
        options.Validate(backend.PrefillChunk);
        (_backend, _pool, _options, _time, _chunk) = (backend, backend.Cache, options, time ?? TimeProvider.System, backend.PrefillChunk);
        MaxContext = options.MaxContext == 0 ? backend.Shape.MaxContext : options.MaxContext;
        if (MaxContext > backend.Shape.MaxContext)
            throw new UserErrorException($"max_context is {MaxContext}.", $"Give at most the model's context, {backend.Shape.MaxContext}.");
        if (_pool.BlocksFor(MaxContext) > _pool.Count)
        {
            throw new UserErrorException($"max_context is {MaxContext} tokens, but the cache has room for {_pool.Count * (long)_pool.BlockTokens}.",
                "Enlarge the cache or lower max_context.");
        }

        _maxPrompt = options.MaxPromptTokens == 0 ? MaxContext - 1 : Math.Min(options.MaxPromptTokens, MaxContext - 1);
        _found = new int[_pool.Count];
    }

    /// <summary>Most tokens of prompt and reply together.</summary>
    public int MaxContext { get; }

    /// <summary>Requests that wait, preempted ones included.</summary>
    public int Waiting => _waiting.Count;

    /// <summary>Requests that hold blocks.</summary>
    public int Running => _running.Count;

    /// <summary>How often a request's blocks were taken away.</summary>
    public long Preemptions { get; private set; }

    /// <summary>Tokens of the requests that began while prefixes are shared.</summary>
    public long PrefixQueriedTokens { get; private set; }

    /// <summary>Those of them that were found in the cache. Requests that go on after a preemption do not count.</summary>
    public long PrefixHitTokens { get; private set; }

    /// <summary>Takes in a request, or several of one prompt, of which the others wait for the first to have computed it.</summary>
    /// <param name="prompt">At least one id.</param>
    /// <param name="choices">Replies that are wanted.</param>
    /// <param name="emitted">The reply so far, if one that was begun elsewhere is to go on.</param>
    /// <param name="timeout">From now to the last token; the options' if null.</param>
    /// <param name="whole">As <see cref="ScheduledRequest.Whole"/>.</param>
    /// <exception cref="UserErrorException">The prompt is empty or too long.</exception>
    /// <exception cref="QueueFullException">Too many requests wait.</exception>
    public ScheduledRequest[] Add(ReadOnlySpan<int> prompt, int choices = 1, ReadOnlySpan<int> emitted = default, TimeSpan? timeout = null,
        bool whole = false)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(choices, 1);
        if (prompt.IsEmpty || prompt.Length > _maxPrompt)
            throw new UserErrorException($"The prompt has {prompt.Length} tokens.", $"Give 1 to {_maxPrompt}.");
        if (prompt.Length + (long)emitted.Length >= MaxContext)
        {
            throw new UserErrorException($"Prompt and reply so far have {prompt.Length + (long)emitted.Length} tokens; the context holds {MaxContext}.",
                "Continue a reply only before its end.");
        }

        if (_waiting.Count + choices > _options.MaxWaiting)
            throw new QueueFullException(_waiting.Count, _options.MaxWaiting);
        var requests = new ScheduledRequest[choices];
        var now = _time.GetTimestamp();
        for (var i = 0; i < choices; i++)
        {
            var leader = i > 0 && _options.PrefixSharing ? requests[0] : null;
            requests[i] = new ScheduledRequest(_arrivals++, prompt, emitted, now, timeout ?? _options.Timeout, leader, whole);
        }

        _waiting.AddRange(requests);
        return requests;
    }

    /// <summary>
    /// The next step. Room for all of it is reserved. When a request's part is computed come, in this order, <see cref="Computed"/>,
    /// <see cref="Append"/> if a token was drawn, and <see cref="End"/> if that was the last.
    /// </summary>
    public StepPlan Plan()
    {
        _plan.Clear();
        Expire(_waiting);
        Expire(_running);
        var budget = _options.TokenBudget;
        foreach (var request in _running)
            budget -= PromptDone(request) ? 1 : 0;
        var preemptions = Preemptions;
        // Whoever is preempted arrived after all that are planned.
        for (var i = 0; i < _running.Count; i++)
        {
            var request = _running[i];
            var count = PromptDone(request) ? 1 : PrefillCount(request, budget);
            if (count == 0 || !MakeRoom(request, count))
                continue;
            if (!PromptDone(request))
                budget -= count;
            Take(request, count);
        }

        if (Preemptions == preemptions)
            Admit(budget);
        return _plan;
    }

    /// <summary>A planned request's tokens are in the cache: full blocks can be found from now on.</summary>
    public void Computed(ScheduledRequest request)
    {
        if (_options.PrefixSharing)
            request.Sequence!.Publish(request.Ids, Prefilled(request));
        request.PromptSeen |= PromptDone(request);
    }

    /// <summary>A reply's next token was drawn.</summary>
    public void Append(ScheduledRequest request, int id)
    {
        if (request.State != RequestState.Running || request.Sequence!.Length != request.Ids.Length)
            throw new InvalidOperationException("the request did not ask for a token");
        request.Append(id);
    }

    /// <summary>The request is over, for whatever reason; its blocks are free at once. Nothing if it is over already.</summary>
    public void End(ScheduledRequest request)
    {
        if (request.State == RequestState.Ended)
            return;
        (request.State == RequestState.Waiting ? _waiting : _running).Remove(request);
        Release(request, RequestState.Ended);
    }

    private static bool PromptDone(ScheduledRequest request) => request.Sequence!.Length >= request.PromptLength;

    private void Expire(List<ScheduledRequest> requests)
    {
        foreach (var request in requests)
        {
            if (request.Timeout is { } timeout && _time.GetElapsedTime(request.Arrived) >= timeout)
                _plan.ExpiredList.Add(request);
        }

        foreach (var request in _plan.ExpiredList)
            End(request);
    }

    /// <summary>How many of the prompt's tokens fit the budget and end where a chunk ends.</summary>
    private int PrefillCount(ScheduledRequest request, int budget)
    {
        int start = request.Sequence!.Length, rest = request.PromptLength - start;
        return rest <= budget ? rest : Math.Max(0, (start + budget) / _chunk * _chunk - start);
    }

    /// <summary>Preempts those that arrived last until the request's next tokens fit; false if it had to be preempted itself.</summary>
    private bool MakeRoom(ScheduledRequest request, int tokens)
    {
        while (request.Sequence!.Missing(tokens) > _pool.Free)
        {
            var victim = _running[^1];
            _running.RemoveAt(_running.Count - 1);
            Release(victim, RequestState.Waiting);
            _waiting.Insert(0, victim);
            victim.Preemptions++;
            Preemptions++;
            if (victim == request)
                return false;
        }

        return true;
    }

    private void Take(ScheduledRequest request, int count)
    {
        var start = request.Sequence!.Length;
        var ids = request.Ids;
        request.Sequence.Reserve(count);
        if (PromptDone(request))
            _plan.DecodeList.Add(new DecodeWork(request, ids[start], Samples: start + 1 == ids.Length));
        else
            _plan.PrefillList.Add(new PrefillWork(request, start, count, Samples: start + count == ids.Length));
    }

    private void Admit(int budget)
    {
        while (_waiting.Count > 0 && _running.Count < _options.MaxRunning)
        {
            var request = _waiting[0];
            if (request.Leader is { PromptSeen: false, State: not RequestState.Ended })
                return;
            var sequence = request.Sequence = _backend.CreateSequence();
            var looks = _options.PrefixSharing && !request.Whole;
            if (looks)
                sequence.Adopt(_found.AsSpan(0, FindPrefix(request)));
            var count = PromptDone(request) ? Math.Min(1, budget) : PrefillCount(request, budget);
            // Room for all that is known, and a block for each that runs: else it would soon be preempted again.
            if (count == 0 || sequence.Missing(request.Ids.Length - sequence.Length) + _running.Count > _pool.Free)
            {
                Release(request, RequestState.Waiting);
                return;
            }

            _waiting.RemoveAt(0);
            _running.Add(request);
            request.State = RequestState.Running;
            if (looks && request.Preemptions == 0)
                (PrefixQueriedTokens, PrefixHitTokens) = (PrefixQueriedTokens + request.Ids.Length, PrefixHitTokens + sequence.Length);
            budget -= count;
            Take(request, count);
        }
    }

    /// <summary>
    /// How many of the found blocks are of use: the last token is computed in any case, for its logits, and inside what prefill computes in
    /// its own way it goes on at a multiple of the chunk.
    /// </summary>
    private int FindPrefix(ScheduledRequest request)
    {
        var blocks = _pool.FindPrefix(request.Ids[..^1], Prefilled(request), _found);
        while (blocks * _pool.BlockTokens is var tokens && tokens < Prefilled(request) && tokens % _chunk != 0)
            blocks--;
        return blocks;
    }

    /// <summary>Where it makes no difference how a token was computed, blocks of either kind have the same name.</summary>
    private int Prefilled(ScheduledRequest request) => _backend.PrefilledTokens(request.PromptLength);

    private static void Release(ScheduledRequest request, RequestState state)
    {
        request.Sequence?.Dispose();
        (request.Sequence, request.State) = (null, state);
    }
}
