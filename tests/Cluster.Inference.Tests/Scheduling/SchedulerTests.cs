using Cluster.Core.Errors;
using Cluster.Core.Randomness;
using Cluster.Inference.Scheduling;

namespace Cluster.Inference.Tests.Scheduling;

public class SchedulerTests
{
    /// <summary>
    /// Random arrivals, lengths, choices, cancellations and deadlines over small pools. After each of some 100,000 plans: requests run in
    /// the order of arrival and the oldest takes part (so none starves), the budget and all limits hold, prompts are cut at chunks, the
    /// blocks held are those of the running. In the end all accepted requests have ended and no block is held.
    /// </summary>
    [Theory]
    [InlineData(1, true)]
    [InlineData(2, true)]
    [InlineData(3, false)]
    [InlineData(4, false)]
    public void RandomTraffic_EveryInvariantHoldsAndEveryRequestEnds(ulong seed, bool prefillEqualsDecode)
    {
        var random = new CounterRandom(seed, RandomPurpose.Synthetic, 2);
        ulong drawn = 0;
        int Below(int bound) => (int)random.Below(drawn++, (ulong)bound);
        long plans = 0, preemptions = 0, hits = 0, expired = 0, refused = 0, cancelled = 0;
        for (var round = 0; round < 150; round++)
        {
            int blockTokens = 1 << Below(4), chunk = 1 << Below(4), context = 24 + Below(24);
            var blocks = (context + blockTokens - 1) / blockTokens * (1 + Below(3)) + Below(4);
            using var backend = new TraceBackend(blocks, blockTokens, chunk, context, prefillEqualsDecode) { Tails = round % 2 == 0 };
            var options = new SchedulerOptions { MaxRunning = 1 + Below(8), MaxWaiting = 16 + Below(8), PrefixSharing = Below(5) != 0 };
            options = options with { TokenBudget = options.MaxRunning + chunk + Below(20) };
            var time = new ManualTime();
            var scheduler = new Scheduler(backend, options, time);
            var alive = new Dictionary<ScheduledRequest, int>(); // → tokens at its end
            int arrivals = 60, accepted = 0, ended = 0;
            while (arrivals > 0 || alive.Count > 0)
            {
                for (; arrivals > 0 && Below(3) == 0; arrivals--)
                    Arrive();
                if (alive.Count > 0 && Below(25) == 0)
                    Cancel();
                if (alive.Count == 0)
                    continue;
                time.Advance(TimeSpan.FromMilliseconds(Below(20)));
                var before = scheduler.Preemptions;
                var plan = scheduler.Plan();
                plans++;
                foreach (var request in plan.Expired)
                    ended += alive.Remove(request) ? 1 : 0;
                expired += plan.Expired.Count;
                Check(plan);
                Run(plan);
                Assert.InRange(scheduler.Waiting, 0, options.MaxWaiting + options.MaxRunning);
            }

            Assert.Equal(accepted, ended);
            Assert.Equal((0, 0, blocks), (scheduler.Running, scheduler.Waiting, backend.Cache.Free));
            (preemptions, hits) = (preemptions + scheduler.Preemptions, hits + scheduler.PrefixHitTokens);

            void Arrive()
            {
                // Two letters, mostly one of them: beginnings are often the same.
                int[] prompt = [.. Enumerable.Range(0, 1 + Below(context - 1)).Select(_ => Below(30) == 0 ? 1 : 0)];
                var choices = Below(6) == 0 ? 1 + Below(4) : 1;
                try
                {
                    TimeSpan? timeout = Below(10) == 0 ? TimeSpan.FromMilliseconds(1 + Below(400)) : null;
                    foreach (var request in scheduler.Add(prompt, choices, timeout: timeout))
                        alive.Add(request, prompt.Length + 1 + Below(context - prompt.Length));
                    accepted += choices;
                }
                catch (QueueFullException full)
                {
                    Assert.True(full.Waiting + choices > options.MaxWaiting);
                    refused++;
                }
            }

            void Cancel()
            {
                var victim = alive.Keys.ElementAt(Below(alive.Count));
                var own = victim.Sequence?.Blocks.ToArray() ?? [];
                int held = backend.Cache.Held, shared = own.Count(block => backend.Cache.Holders(block) > 1);
                scheduler.End(victim);
                Assert.Equal(held - own.Length + shared, backend.Cache.Held); // at once
                Assert.Equal((RequestState.Ended, null), (victim.State, victim.Sequence));
                alive.Remove(victim);
                cancelled++;
                ended++;
            }

            void Check(StepPlan plan)
            {
                ScheduledRequest[] planned = [.. plan.Decodes.Select(d => d.Request), .. plan.Prefills.Select(p => p.Request)];
                if (alive.Count == 0)
                    Assert.True(plan.IsEmpty);
                else
                    Assert.Contains(alive.Keys.MinBy(r => r.Arrival), planned);
                Assert.Equal(planned.Length, planned.Distinct().Count());
                Assert.All(planned, r => Assert.Equal(RequestState.Running, r.State));
                Assert.True(plan.Decodes.Count + plan.Prefills.Sum(p => p.Count) <= options.TokenBudget);
                ScheduledRequest[] running = [.. alive.Keys.Where(r => r.State == RequestState.Running)];
                ScheduledRequest[] waiting = [.. alive.Keys.Where(r => r.State == RequestState.Waiting)];
                Assert.Equal((running.Length, waiting.Length), (scheduler.Running, scheduler.Waiting));
                Assert.InRange(running.Length, 0, options.MaxRunning);
                if (running.Length > 0 && waiting.Length > 0)
                    Assert.True(running.Max(r => r.Arrival) < waiting.Min(r => r.Arrival));
                Assert.Equal(backend.Cache.Held, running.SelectMany(r => r.Sequence!.Blocks.ToArray()).Distinct().Count());
                Assert.All(waiting, r => Assert.Null(r.Sequence));
                foreach (var (request, start, count, samples) in plan.Prefills)
                {
                    Assert.Equal(request.Sequence!.Length, start);
                    Assert.True(start % chunk == 0 || start >= backend.PrefilledTokens(request.PromptLength));
                    Assert.True((start + count) % chunk == 0 || start + count == request.PromptLength);
                    Assert.Equal(start + count == request.Ids.Length, samples);
                    Assert.Equal(0, request.Sequence.Missing(count));
                }

                foreach (var (request, id, samples) in plan.Decodes)
                {
                    Assert.Equal(request.Ids[request.Sequence!.Length], id);
                    Assert.True(request.Sequence.Length >= request.PromptLength);
                    Assert.Equal(request.Sequence.Length + 1 == request.Ids.Length, samples);
                    Assert.Equal(0, request.Sequence.Missing(1));
                }
            }

            void Run(StepPlan plan)
            {
                foreach (var work in plan.Decodes)
                    Advance(work.Request, 1, work.Samples);
                foreach (var work in plan.Prefills)
                    Advance(work.Request, work.Count, work.Samples);
            }

            void Advance(ScheduledRequest request, int count, bool samples)
            {
                request.Sequence!.Advance(count);
                scheduler.Computed(request);
                if (!samples)
                    return;
                scheduler.Append(request, Below(12) == 0 ? 1 : 0);
                if (request.Ids.Length < alive[request])
                    return;
                scheduler.End(request);
                alive.Remove(request);
                ended++;
            }
        }

        Assert.True(plans > 25_000 && preemptions > 200 && hits > 10_000 && expired > 100 && refused > 100 && cancelled > 100,
            $"{plans} plans, {preemptions} preemptions, {hits} hits, {expired} expired, {refused} refused, {cancelled} cancelled");
    }

    [Fact]
    public void Plan_LongPromptArrives_RepliesAdvanceInEveryStep()
    {
        using var backend = new TraceBackend(blocks: 64, blockTokens: 4, chunk: 4, context: 128, prefillEqualsDecode: true);
        var scheduler = new Scheduler(backend, new SchedulerOptions { MaxRunning = 4, TokenBudget = 10 });
        var first = scheduler.Add([1, 2])[0];
        Compute(scheduler, scheduler.Plan());
        var prompt = new int[31];
        var second = scheduler.Add(prompt)[0];
        List<int> pieces = [];
        while (second.Ids.Length == 31)
        {
            var plan = scheduler.Plan();
            Assert.Equal([first], plan.Decodes.Select(d => d.Request));
            pieces.Add(plan.Prefills.Single().Count);
            Compute(scheduler, plan);
        }

        // 10 less one for the other's token, in whole chunks of 4; the prompt's end as it comes.
        Assert.Equal([8, 8, 8, 7], pieces);
    }

    [Theory]
    [InlineData(true, 20)] // 5 blocks of the old prompt and reply, but 20 is the last multiple of the chunk before 22
    [InlineData(false, 8)] // blocks of the reply do not count, nor does the part of the prompt's third block
    public void Plan_PromptContinuesAReply_SharesWhatTheBackendAllows(bool prefillEqualsDecode, int expected)
    {
        using var backend = new TraceBackend(blocks: 32, blockTokens: 4, chunk: 4, context: 64, prefillEqualsDecode);
        var scheduler = new Scheduler(backend, new SchedulerOptions { MaxRunning = 2, TokenBudget = 64 });
        var ids = Reply(scheduler, [.. Enumerable.Range(0, 10)], tokens: 13);
        var next = scheduler.Add([.. ids[..22]])[0];
        var plan = scheduler.Plan();
        Assert.Equal((expected, 22 - expected), (plan.Prefills.Single().Start, plan.Prefills.Single().Count));
        Assert.Equal(expected, scheduler.PrefixHitTokens);
        scheduler.End(next);
    }

    [Theory]
    [InlineData(16, false, false, 8)] // the last chunk
    [InlineData(16, true, false, 12)] // the last block
    [InlineData(22, false, true, 20)] // the last block, after two whole chunks
    [InlineData(22, false, false, 16)]
    public void Plan_WholePromptIsCached_OnlyWhatMustBeIsComputed(int length, bool prefillEqualsDecode, bool tails, int start)
    {
        using var backend = new TraceBackend(blocks: 32, blockTokens: 4, chunk: 8, context: 64, prefillEqualsDecode) { Tails = tails };
        var scheduler = new Scheduler(backend, new SchedulerOptions { MaxRunning = 2, TokenBudget = 64 });
        int[] prompt = [.. Enumerable.Range(0, length)];
        Reply(scheduler, prompt, tokens: 1);
        scheduler.Add(prompt);
        Assert.Equal((start, start), (scheduler.Plan().Prefills.Single().Start, scheduler.PrefixHitTokens));
    }

    [Fact]
    public void Plan_BlocksRunOut_LatestArrivalIsPreemptedAndComesFirst()
    {
        using var backend = new TraceBackend(blocks: 7, blockTokens: 4, chunk: 4, context: 24, prefillEqualsDecode: false);
        var scheduler = new Scheduler(backend, new SchedulerOptions { MaxRunning = 3, TokenBudget = 32 });
        var old = scheduler.Add(new int[4])[0];
        var late = scheduler.Add([1, 1, 1, 1])[0];
        var later = scheduler.Add([2, 2, 2, 2])[0];
        while (scheduler.Preemptions == 0)
            Compute(scheduler, scheduler.Plan());
        // With 8 tokens each they hold 6 blocks. The first takes the seventh; for the second there is none.
        Assert.Equal((RequestState.Running, RequestState.Running, RequestState.Waiting), (old.State, late.State, later.State));
        Assert.Equal((1, null), (later.Preemptions, later.Sequence));
        var known = later.Ids.ToArray();
        scheduler.End(old);
        scheduler.End(late);
        // The block of its reply was forgotten, that of its prompt was not: the reply's tokens are replayed from there.
        var plan = scheduler.Plan();
        Assert.Empty(plan.Prefills);
        Assert.Equal(new DecodeWork(later, known[4], Samples: false), plan.Decodes.Single());
        Assert.Equal(4, later.Sequence!.Length);
    }

    [Fact]
    public void Add_Limits_SayWhatAndHow()
    {
        using var backend = new TraceBackend(blocks: 8, blockTokens: 4, chunk: 4, context: 32, prefillEqualsDecode: true);
        var scheduler = new Scheduler(backend, new SchedulerOptions { MaxWaiting = 3, MaxRunning = 1, TokenBudget = 8, MaxPromptTokens = 10 });
        var error = Assert.Throws<UserErrorException>(() => scheduler.Add(new int[11]));
        Assert.Equal(("The prompt has 11 tokens.", "Give 1 to 10."), (error.What, error.Remedy));
        Assert.Throws<UserErrorException>(() => scheduler.Add([]));
        Assert.Throws<UserErrorException>(() => scheduler.Add(new int[10], emitted: new int[22]));
        scheduler.Add(new int[10], choices: 2);
        Assert.Equal(2, Assert.Throws<QueueFullException>(() => scheduler.Add(new int[10], choices: 2)).Waiting);
        Assert.Equal(2, scheduler.Waiting); // all or none
    }

    [Fact]
    public void Options_OutOfRange_NameFieldAndValue()
    {
        using var backend = new TraceBackend(blocks: 7, blockTokens: 4, chunk: 4, context: 32, prefillEqualsDecode: true);
        (string What, SchedulerOptions Options)[] cases =
        [
            ("max_waiting is 0.", new() { MaxWaiting = 0 }),
            ("max_running is 0.", new() { MaxRunning = 0 }),
            ("token_budget is 67.", new() { TokenBudget = 67 }),
            ("max_prompt_tokens is -1.", new() { MaxPromptTokens = -1 }),
            ("max_context is 1.", new() { MaxContext = 1 }),
            ("max_context is 33.", new() { MaxContext = 33 }),
            ("max_context is 32 tokens, but the cache has room for 28.", new()),
            ("timeout is 0.", new() { Timeout = TimeSpan.Zero }),
        ];
        foreach (var (what, options) in cases)
            Assert.Equal(what, Assert.Throws<UserErrorException>(() => new Scheduler(backend, options)).What);
        Assert.Equal(28, new Scheduler(backend, new SchedulerOptions { MaxContext = 28 }).MaxContext);
    }

    /// <summary>Runs one request to its end; returns prompt and reply.</summary>
    private static int[] Reply(Scheduler scheduler, int[] prompt, int tokens)
    {
        var request = scheduler.Add(prompt)[0];
        while (request.Ids.Length < prompt.Length + tokens)
            Compute(scheduler, scheduler.Plan());
        int[] ids = [.. request.Ids];
        scheduler.End(request);
        return ids;
    }

    private static void Compute(Scheduler scheduler, StepPlan plan)
    {
        foreach (var work in plan.Decodes)
            Advance(work.Request, 1, work.Samples);
        foreach (var work in plan.Prefills)
            Advance(work.Request, work.Count, work.Samples);

        void Advance(ScheduledRequest request, int count, bool samples)
        {
            request.Sequence!.Advance(count);
            scheduler.Computed(request);
            if (samples)
                scheduler.Append(request, request.Ids.Length);
        }
    }
}
