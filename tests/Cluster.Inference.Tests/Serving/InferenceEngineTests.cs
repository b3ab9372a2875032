using Cluster.Core.Errors;
using Cluster.Inference.Generation;
using Cluster.Inference.Sampling;
using Cluster.Inference.Scheduling;
using Cluster.Inference.Serving;

namespace Cluster.Inference.Tests.Serving;

public class InferenceEngineTests
{
    private const int Vocabulary = 24;
    private static readonly SchedulerOptions s_options = new() { MaxRunning = 8, TokenBudget = 64 };
    private static readonly InferenceRequest s_request = new() { Prompt = [1, 2, 3, 4, 5], Options = new() { MaxTokens = 10 } };

    [Fact]
    public async Task OwnThread_ManyCallers_EachReplyAsFromAGenerator()
    {
        using var generator = new Generator(TestModels.Decoder(TestModels.Small), new Words(80));
        using var engine = new InferenceEngine(TestModels.Decoder(TestModels.Small, cacheTokens: 3 * TestModels.Context), new Words(80),
            new SchedulerOptions { MaxRunning = 8, TokenBudget = 48 });
        var replies = await Task.WhenAll(Enumerable.Range(0, 24).Select(caller => Task.Run(async () =>
        {
            var request = new InferenceRequest
            {
                Prompt = TestModels.Ids(1 + caller, 80, (ulong)caller % 3),
                Options = new() { MaxTokens = 15, Seed = (ulong)caller, TopLogProbabilities = caller % 3 },
            };
            var reply = engine.Submit(request)[0];
            List<GeneratedToken> tokens = [];
            await foreach (var token in reply.Tokens.ReadAllAsync())
                tokens.Add(token);
            return (request, tokens, reply.Finish);
        })));
        foreach (var (request, tokens, finish) in replies)
        {
            var expected = generator.Generate([.. request.Prompt], request.Options).ToArray();
            Assert.Equal(expected.Select(t => t with { Top = null }), tokens.Select(t => t with { Top = null }));
            Assert.Equal(expected.Select(t => t.Top), tokens.Select(t => t.Top));
            Assert.Equal(FinishReason.Length, finish);
        }

        await engine.DrainAsync();
        var snapshot = engine.Snapshot();
        Assert.Equal((0, 0, 0), (snapshot.Running, snapshot.Waiting, snapshot.HeldBlocks));
        Assert.Equal((24L, 24L * 15), (snapshot.Finished[FinishReason.Length], snapshot.GenerationTokens));
        Assert.Throws<EngineUnavailableException>(() => engine.Submit(s_request));
    }

    [Fact]
    public async Task Cancel_RunningAndWaiting_BlocksFreeAndStreamEnds()
    {
        var backend = Backend();
        using var engine = Manual(backend, s_options with { MaxRunning = 1 });
        using var source = new CancellationTokenSource();
        var running = engine.Submit(s_request, source.Token)[0];
        var waiting = engine.Submit(s_request, source.Token)[0];
        var other = engine.Submit(s_request)[0];
        engine.Step();
        engine.Step();
        source.Cancel();
        Assert.Equal((FinishReason.Cancelled, true), (waiting.Finish, waiting.Tokens.Completion.IsCompletedSuccessfully)); // without a step
        Assert.Null(running.Finish);
        engine.Step();
        Assert.Equal(FinishReason.Cancelled, running.Finish);
        Assert.Equal(2, Tokens(running).Length);
        await running.Tokens.Completion;
        Finish(engine);
        Assert.Equal((FinishReason.Length, 10), (other.Finish, Tokens(other).Length));
        Assert.Equal(backend.Cache.Count, backend.Cache.Free);
        Assert.Equal((2L, 1L), (engine.Snapshot().Finished[FinishReason.Cancelled], engine.Snapshot().Finished[FinishReason.Length]));
        running.Cancel();
        using var late = new CancellationTokenSource();
        late.Cancel();
        Assert.Equal(FinishReason.Cancelled, engine.Submit(s_request, late.Token)[0].Finish);
    }

    [Fact]
    public void Deadline_RunningAndWaiting_EndWithWhatTheyHave()
    {
        var time = new ManualTime();
        using var engine = Manual(Backend(), s_options with { MaxRunning = 1, Timeout = TimeSpan.FromSeconds(5) }, time);
        var running = engine.Submit(s_request)[0];
        var waiting = engine.Submit(s_request)[0];
        var patient = engine.Submit(s_request with { Timeout = TimeSpan.FromSeconds(60) })[0];
        engine.Step();
        time.Advance(TimeSpan.FromSeconds(5));
        engine.Step();
        Assert.Equal((FinishReason.Deadline, FinishReason.Deadline), (running.Finish, waiting.Finish));
        Assert.Equal((1, 0), (Tokens(running).Length, Tokens(waiting).Length));
        Finish(engine);
        Assert.Equal((FinishReason.Length, 0), (patient.Finish, engine.Snapshot().HeldBlocks));
    }

    [Fact]
    public async Task RequestFails_OthersGoOn()
    {
        using var engine = new InferenceEngine(Backend(), new FailingWords(), s_options, new ManualTime(), ownThread: false);
        // Whatever the model says, the bias makes it say 7, and the bytes of 7 cannot be had.
        var bias = new Dictionary<int, double> { [7] = 100 };
        var failing = engine.Submit(s_request with { Options = new() { MaxTokens = 10, LogitBias = bias } })[0];
        var other = engine.Submit(s_request with { Options = new() { MaxTokens = 10, LogitBias = new Dictionary<int, double> { [7] = -100 } } })[0];
        Finish(engine);
        Assert.Equal((FinishReason.Failed, FinishReason.Length), (failing.Finish, other.Finish));
        Assert.Equal("no such file", (await Assert.ThrowsAsync<IOException>(() => failing.Tokens.Completion)).Message);
        Assert.Equal((true, null, 0), (engine.Snapshot().Healthy, engine.Snapshot().Unavailable, engine.Snapshot().HeldBlocks));
    }

    [Fact]
    public async Task BackendFails_AllEndWithTheReason_EngineSaysSo()
    {
        var backend = Backend();
        backend.CallsLeft = 3;
        using var engine = Manual(backend, s_options);
        EngineReply[] replies = [engine.Submit(s_request)[0], engine.Submit(s_request)[0]];
        Finish(engine);
        foreach (var reply in replies)
        {
            Assert.Equal(FinishReason.Failed, reply.Finish);
            Assert.NotEmpty(Tokens(reply));
            var error = await Assert.ThrowsAsync<EngineUnavailableException>(() => reply.Tokens.Completion);
            Assert.Equal("The model failed: the device is lost", error.Message);
        }

        Assert.Equal((false, "The model failed: the device is lost"), (engine.Snapshot().Healthy, engine.Snapshot().Unavailable));
        Assert.Equal((2L, 0), (engine.Snapshot().Finished[FinishReason.Failed], engine.Snapshot().HeldBlocks));
        Assert.Throws<EngineUnavailableException>(() => engine.Submit(s_request));
    }

    [Fact]
    public async Task OwnThread_BackendFailsOrEngineIsDisposed_NobodyWaitsForEver()
    {
        var backend = Backend();
        backend.CallsLeft = 2;
        using (var engine = new InferenceEngine(backend, new Words(Vocabulary), s_options))
            await Assert.ThrowsAsync<EngineUnavailableException>(() => All(engine.Submit(s_request)[0]));
        Assert.True(backend.Disposed);

        using var inStep = new SemaphoreSlim(0);
        var slow = Backend();
        slow.OnCall = () => inStep.Release();
        EngineReply reply;
        using (var engine = new InferenceEngine(slow, new Words(Vocabulary), s_options))
        {
            reply = engine.Submit(s_request with { Options = new() { MaxTokens = 1_000 } })[0];
            await inStep.WaitAsync();
        }

        await All(reply);
        Assert.True(reply.Finish is FinishReason.Cancelled or FinishReason.Context);
        Assert.True(slow.Disposed);
    }

    [Fact]
    public async Task Cancel_DuringAStep_EndsAfterIt()
    {
        var backend = Backend();
        using var engine = Manual(backend, s_options);
        var reply = engine.Submit(s_request)[0];
        var calls = 0;
        backend.OnCall = () =>
        {
            if (++calls == 3)
                reply.Cancel();
        };
        Finish(engine);
        Assert.Equal((FinishReason.Cancelled, 3, 3), (reply.Finish, Tokens(reply).Length, calls));
        await reply.Tokens.Completion;
    }

    [Fact]
    public void Submit_BadRequests_SayWhatAndRemedy_EngineGoesOn()
    {
        using var engine = Manual(Backend(), s_options with { MaxWaiting = 4, MaxPromptTokens = 20 });
        (string What, InferenceRequest Request)[] cases =
        [
            ("The prompt has no tokens.", s_request with { Prompt = [] }),
            ("The prompt has 21 tokens.", s_request with { Prompt = new int[21] }),
            ("The prompt holds the token id 24.", s_request with { Prompt = [24] }),
            ("The reply so far holds the token id -1.", s_request with { Emitted = [-1] }),
            ("The reply so far of 10 tokens is over with its token 10 (Length).", s_request with { Emitted = new int[10] }),
            ("n is 2 for a reply that goes on.", s_request with { Emitted = [1], Options = new() { Choices = 2 } }),
            ("n is 17.", s_request with { Options = new() { Choices = 17 } }),
            ("temperature is -1.", s_request with { Options = new() { Temperature = -1 } }),
        ];
        foreach (var (what, request) in cases)
            Assert.Equal(what, Assert.Throws<UserErrorException>(() => engine.Submit(request)).What);
        Assert.Throws<QueueFullException>(() => engine.Submit(s_request with { Options = new() { Choices = 5 } }));
        var reply = engine.Submit(s_request)[0];
        Finish(engine);
        Assert.Equal(FinishReason.Length, reply.Finish);
        Assert.Throws<UserErrorException>(() => Manual(Backend(), s_options, tokens: new Words(Vocabulary + 1)));
    }

    [Fact]
    public void Snapshot_Figures_HaveVllmsMeaning()
    {
        var time = new ManualTime();
        var backend = Backend();
        backend.OnCall = () => time.Advance(TimeSpan.FromMilliseconds(3));
        using var engine = Manual(backend, s_options with { MaxRunning = 1 }, time);
        int[] prompt = [.. Enumerable.Range(0, 20)];
        engine.Submit(new InferenceRequest { Prompt = prompt, Options = new() { MaxTokens = 3 } });
        engine.Submit(new InferenceRequest { Prompt = prompt, Options = new() { MaxTokens = 2 } });
        engine.Step();
        var busy = engine.Snapshot();
        Assert.Equal((1, 1, 5, 64, 5 / 64.0), (busy.Running, busy.Waiting, busy.HeldBlocks, busy.Blocks, busy.CacheUse));
        Finish(engine);
        var done = engine.Snapshot();
        Assert.Equal((40L, 5L, 40L, 16L), (done.PromptTokens, done.GenerationTokens, done.PrefixQueriedTokens, done.PrefixHitTokens));
        Assert.Equal((0, 0, 5, 0L), (done.Running, done.HeldBlocks, done.CachedBlocks, done.Preemptions));
        Assert.Equal(2, done.Finished[FinishReason.Length]);
        // The first begins at once, its tokens come at 3, 6, 9 ms; the second begins at 9, its tokens come at 12, 15.
        AssertTimes(done.QueueTime, 0, 9);
        AssertTimes(done.TimeToFirstToken, 3, 12);
        AssertTimes(done.InterTokenLatency, 3, 3, 3);
        AssertTimes(done.EndToEndLatency, 9, 15);

        static void AssertTimes(HistogramSnapshot histogram, params int[] milliseconds)
        {
            Assert.Equal(milliseconds.Length, histogram.Count);
            Assert.Equal(milliseconds.Sum() / 1000.0, histogram.Sum, 1e-9);
            for (var bucket = 0; bucket < HistogramSnapshot.Bounds.Count; bucket++)
            {
                var bound = HistogramSnapshot.Bounds[bucket];
                Assert.Equal(milliseconds.Count(ms => ms / 1000.0 <= bound), histogram.Counts.Take(bucket + 1).Sum());
            }
        }
    }

    private static TraceBackend Backend() => new(blocks: 64, blockTokens: 4, chunk: 8, context: 64, prefillEqualsDecode: true);

    private static InferenceEngine Manual(TraceBackend backend, SchedulerOptions options, TimeProvider? time = null, ITokenText? tokens = null) =>
        new(backend, tokens ?? new Words(Vocabulary), options, time ?? new ManualTime(), ownThread: false);

    private static void Finish(InferenceEngine engine)
    {
        while (engine.Step())
        {
        }
    }

    private static GeneratedToken[] Tokens(EngineReply reply)
    {
        List<GeneratedToken> tokens = [];
        while (reply.Tokens.TryRead(out var token))
            tokens.Add(token);
        return [.. tokens];
    }

    private static async Task All(EngineReply reply)
    {
        await foreach (var _ in reply.Tokens.ReadAllAsync())
        {
        }
    }

    private sealed class FailingWords : ITokenText
    {
        private readonly Words _words = new(Vocabulary);

        public int Count => Vocabulary;

        public ReadOnlySpan<byte> Bytes(int id) => id == 7 ? throw new IOException("no such file") : _words.Bytes(id);
    }
}
