using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Inference.Backends;
using Cluster.Inference.Generation;
using Cluster.Inference.Managed;
using Cluster.Inference.Quantization;
using Cluster.Inference.Sampling;
using Cluster.Inference.Scheduling;
using Cluster.Inference.Serving;
using Cluster.Inference.Tests.Quantization;

namespace Cluster.Inference.Tests.Serving;

/// <summary>Rule 17: a request's tokens and log-probabilities are the same bits whatever else the engine does.</summary>
public class InvarianceTests
{
    private const int Vocabulary = 80;

    [Theory]
    [InlineData("default", DecodePrecision.Fp32)]
    [InlineData("everything", DecodePrecision.Fp32)]
    [InlineData("everything", DecodePrecision.Bf16)]
    public void ManagedDecoder_AnyCompanyPoolBudgetOrPrefix_SameBits(string name, DecodePrecision precision)
    {
        const int context = 128;
        IDecodeBackend Make(int cacheTokens) => TestModels.Decoder(TestModels.ShapeOf(name) with { Context = context }, precision, cacheTokens);
        var seen = CheckInvariance(Make, context, Vocabulary, Requests(16, context, Vocabulary));
        Assert.True(seen.Preemptions > 10 && seen.PrefixHits > 100, $"{seen.Preemptions} preemptions, {seen.PrefixHits} hits");
    }

    [Theory]
    [InlineData(WeightFormat.Int8, ActivationFormat.Int8, CacheFormat.Bf16)]
    [InlineData(WeightFormat.Int4Group, ActivationFormat.Int8, CacheFormat.Int8)]
    [InlineData(WeightFormat.Int8Group, ActivationFormat.Fp32, CacheFormat.Int8)]
    public void QuantizedDecoder_AnyCompanyPoolBudgetOrPrefix_SameBits(WeightFormat weights, ActivationFormat activations, CacheFormat cache)
    {
        const int context = 128;
        var model = QuantizedDecoderTests.Model(TestModels.ShapeOf("everything") with { Context = context }, weights, activations, cache);
        IDecodeBackend Make(int cacheTokens) => new ManagedDecoder(model, cacheTokens, threads: 2);
        var seen = CheckInvariance(Make, context, Vocabulary, Requests(16, context, Vocabulary));
        Assert.True(seen.Preemptions > 10 && seen.PrefixHits > 100, $"{seen.Preemptions} preemptions, {seen.PrefixHits} hits");
    }

    // Their prefill is not their decode: generated tokens must come back from blocks or be replayed.
    [Theory]
    [InlineData("products", Precision.Bf16)]
    [InlineData("products", Precision.Fp32)]
    [InlineData("tensors", Precision.Bf16)]
    public void TorchBackends_AnyCompanyPoolBudgetOrPrefix_SameBits(string backend, Precision precision)
    {
        const int context = 192;
        IDecodeBackend Make(int cacheTokens) =>
            Backends.TorchBackendsTests.Make(backend, TestModels.ShapeOf("everything") with { Context = context }, precision, cacheTokens);
        using (var one = Make(0))
            Assert.False(one.PrefillEqualsDecode);
        var seen = CheckInvariance(Make, context, Vocabulary, Requests(12, context, Vocabulary));
        Assert.True(seen.Preemptions > 5 && seen.PrefixHits > 100, $"{seen.Preemptions} preemptions, {seen.PrefixHits} hits");
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, false)]
    [InlineData(false, true)]
    public void TraceBackend_AnyCompanyPoolBudgetOrPrefix_SameBits(bool prefillEqualsDecode, bool tails)
    {
        IDecodeBackend Make(int cacheTokens) =>
            new TraceBackend((cacheTokens == 0 ? 16 * 64 : cacheTokens) / 4, 4, 8, 64, prefillEqualsDecode) { Tails = tails };
        var seen = CheckInvariance(Make, 64, 24, Requests(16, 64, 24));
        Assert.True(seen.Preemptions > 10 && seen.PrefixHits > 100, $"{seen.Preemptions} preemptions, {seen.PrefixHits} hits");
    }

    [Fact]
    public void ResultDependsOnBatch_TheCheckFails()
    {
        IDecodeBackend Make(int cacheTokens) =>
            new TraceBackend((cacheTokens == 0 ? 16 * 64 : cacheTokens) / 4, 4, 8, 64, prefillEqualsDecode: true) { DependsOnBatch = true };
        Assert.ThrowsAny<Xunit.Sdk.XunitException>(() => CheckInvariance(Make, 64, 24, Requests(16, 64, 24)));
    }

    /// <summary>Random traffic, arrivals at random steps and cancellations on a small pool: each reply is the one it would be alone.</summary>
    [Theory]
    [InlineData(1, true, false)]
    [InlineData(2, false, false)]
    [InlineData(3, false, true)]
    public void RandomTraffic_EachReplyAsAlone(ulong seed, bool prefillEqualsDecode, bool tails)
    {
        var random = new CounterRandom(seed, RandomPurpose.Synthetic, 3);
        ulong drawn = 0;
        int Below(int bound) => (int)random.Below(drawn++, (ulong)bound);
        long preemptions = 0, hits = 0;
        var compared = 0;
        for (var round = 0; round < 40; round++)
        {
            int blockTokens = 1 << Below(4), chunk = 1 << Below(4);
            TraceBackend Make(int sequences) => new(sequences * 48 / blockTokens + 3, blockTokens, chunk, 48, prefillEqualsDecode) { Tails = tails };
            var options = new SchedulerOptions { MaxRunning = 1 + Below(8), TokenBudget = 8 + chunk + Below(30) };
            using var engine = Engine(Make(1 + Below(3)), options, 24);
            using var alone = Engine(Make(1), new SchedulerOptions { MaxRunning = 1, TokenBudget = 1 + chunk, PrefixSharing = false }, 24);
            var requests = Requests(30, 48, 24, stream: (ulong)round);
            List<(InferenceRequest Request, EngineReply Reply)> replies = [];
            for (var next = 0; next < requests.Length || engine.Step();)
            {
                if (next < requests.Length && Below(3) == 0)
                    replies.Add((requests[next], engine.Submit(requests[next++])[0]));
                if (replies.Count > 0 && Below(30) == 0)
                    replies[Below(replies.Count)].Reply.Cancel();
                engine.Step();
            }

            foreach (var (request, reply) in replies)
            {
                var tokens = Tokens(reply);
                var expected = Run(alone, [request])[0];
                Assert.Equal(reply.Finish == FinishReason.Cancelled ? expected.Take(tokens.Length) : expected, tokens);
                compared += tokens.Length;
            }

            var snapshot = engine.Snapshot();
            Assert.Equal((0, 0, 0), (snapshot.HeldBlocks, snapshot.Running, snapshot.Waiting));
            (preemptions, hits) = (preemptions + snapshot.Preemptions, hits + snapshot.PrefixHitTokens);
        }

        Assert.True(compared > 10_000 && preemptions > 100 && hits > 1_000, $"{compared} tokens, {preemptions} preemptions, {hits} hits");
    }

    [Fact]
    public void Emitted_ReplyGoesOnElsewhere_SameBits()
    {
        // A backend whose prefill and decode differ: the tokens of the reply must be replayed, and are not part of the prompt.
        TraceBackend Make() => new(64, 4, 8, 64, prefillEqualsDecode: false);
        var options = new GenerationOptions { MaxTokens = 30, Seed = 3, PresencePenalty = 1, FrequencyPenalty = 0.5, StopStrings = ["aaq", "bbq"] }; // beginnings of these are held back
        var request = new InferenceRequest { Prompt = [1, 2, 3, 4, 5, 6, 7, 8, 9, 1], Options = options };
        using var one = Engine(Make(), Plenty, 24);
        var whole = Run(one, [request])[0];
        Assert.True(whole.Length > 20);
        foreach (var after in (int[])[1, 7, whole.Length - 1])
        {
            using var other = Engine(Make(), Plenty, 24);
            var rest = Run(other, [request with { Emitted = [.. whole.Take(after).Select(t => t.Id)] }])[0];
            Assert.Equal(whole.Skip(after), rest);
        }
    }

    [Theory]
    [InlineData("managed", 64)] // the reply's blocks too, to the last multiple of the chunk of 32
    [InlineData("trace", 16)] // the prompt's only: its decode is not its prefill
    public void Conversation_NextPromptHoldsTheReply_SameBits(string backend, int hits)
    {
        IDecodeBackend Make() => backend == "managed"
            ? TestModels.Decoder(TestModels.Small with { Context = 128 })
            : new TraceBackend(128, 4, 8, 128, prefillEqualsDecode: false);
        var vocabulary = backend == "managed" ? Vocabulary : 24;
        using var engine = Engine(Make(), Plenty, vocabulary);
        var request = new InferenceRequest { Prompt = TestModels.Ids(20, vocabulary), Options = new() { MaxTokens = 50, Seed = 4 } };
        var first = Run(engine, [request])[0];
        var next = request with { Prompt = [.. request.Prompt, .. first.Select(t => t.Id), 3, 4, 5] };
        var second = Run(engine, [next])[0];
        Assert.Equal(hits, engine.Snapshot().PrefixHitTokens);
        using var alone = Engine(Make(), Plenty with { PrefixSharing = false }, vocabulary);
        Assert.Equal(Run(alone, [next])[0], second);
    }

    [Fact]
    public void Choices_EachAsAlone_ShareThePromptsBlocks()
    {
        using var engine = Engine(TestModels.Decoder(TestModels.Small), Plenty, Vocabulary);
        var request = new InferenceRequest { Prompt = TestModels.Ids(40, Vocabulary), Options = new() { Choices = 4, MaxTokens = 6, Seed = 8 }, Stream = 5 };
        var replies = engine.Submit(request);
        engine.Step(); // the first choice's prompt
        engine.Step();
        // 32 of the prompt's 40 tokens end with a chunk: 2 blocks for all, and each a third.
        Assert.Equal((2 + 4, 3 * 32), (engine.Snapshot().HeldBlocks, engine.Snapshot().PrefixHitTokens));
        while (engine.Step())
        {
        }

        var tokens = replies.Select(Tokens).ToArray();
        Assert.Equal(4, tokens.Select(t => string.Join(' ', t.Select(x => x.Id))).Distinct().Count());
        for (var i = 0; i < 4; i++)
        {
            using var alone = Engine(TestModels.Decoder(TestModels.Small), Plenty, Vocabulary);
            Assert.Equal(tokens[i], Run(alone, [request with { Options = request.Options.OfChoice(i, request.Stream) }])[0]);
        }
    }

    private static SchedulerOptions Plenty => new() { MaxRunning = 32, TokenBudget = 512 };

    /// <summary>The replies alone, and then in ways that must not matter. Returns what was met on the way.</summary>
    private static (long Preemptions, long PrefixHits) CheckInvariance(Func<int, IDecodeBackend> make, int context, int vocabulary, InferenceRequest[] requests)
    {
        int chunk;
        using (var one = make(0))
            chunk = one.PrefillChunk;
        GeneratedToken[][] alone = [.. requests.Select(request =>
        {
            using var engine = Engine(make(0), Plenty with { PrefixSharing = false }, vocabulary);
            return Run(engine, [request])[0];
        })];

        long preemptions = 0, hits = 0;
        (string Way, int CacheTokens, SchedulerOptions Options)[] ways =
        [
            ("together", 16 * context, Plenty with { PrefixSharing = false }),
            ("with prefixes shared", 16 * context, Plenty),
            ("in a small pool", 3 * context, Plenty),
            ("in a small pool without shared prefixes", 3 * context, Plenty with { PrefixSharing = false }),
            ("in a pool for one", context, Plenty),
            ("with the smallest budget", 16 * context, new() { MaxRunning = 16, TokenBudget = 16 + chunk }),
            ("two at a time", 2 * context, new() { MaxRunning = 2, TokenBudget = 2 + chunk }),
        ];
        foreach (var (way, cacheTokens, options) in ways)
        {
            using var engine = Engine(make(cacheTokens), options, vocabulary);
            // The second time, what the first one left in the cache is found.
            for (var time = 0; time < (options.PrefixSharing ? 2 : 1); time++)
            {
                var replies = Run(engine, requests);
                for (var i = 0; i < requests.Length; i++)
                    Assert.True(alone[i].SequenceEqual(replies[i]), $"request {i} has another reply {way}");
            }

            var snapshot = engine.Snapshot();
            Assert.Equal(0, snapshot.HeldBlocks);
            (preemptions, hits) = (preemptions + snapshot.Preemptions, hits + snapshot.PrefixHitTokens);
        }

        return (preemptions, hits);
    }

    /// <summary>Prompts of all lengths with common beginnings; greedy and drawn, with penalties.</summary>
    private static InferenceRequest[] Requests(int count, int context, int vocabulary, ulong stream = 0)
    {
        var random = new CounterRandom(11, RandomPurpose.Synthetic, stream);
        return [.. Enumerable.Range(0, count).Select(i =>
        {
            var length = 1 + (int)random.Below((ulong)(4 * i), (ulong)(i % 2 == 0 ? context - 6 : context / 4));
            var common = (int)random.Below((ulong)(4 * i + 1), (ulong)length + 1);
            return new InferenceRequest
            {
                Prompt = [.. TestModels.Ids(common, vocabulary), .. TestModels.Ids(length - common, vocabulary, (ulong)i + 1)],
                Stream = (ulong)i,
                Options = new GenerationOptions
                {
                    MaxTokens = 4 + (int)random.Below((ulong)(4 * i + 2), (ulong)context),
                    Temperature = i % 4 == 0 ? 0 : 1.2,
                    TopK = i % 3 == 0 ? 0 : 20,
                    MinP = i % 5 == 0 ? 0.02 : 0,
                    PresencePenalty = i % 2,
                    Seed = 9,
                },
            };
        })];
    }

    private static InferenceEngine Engine(IDecodeBackend backend, SchedulerOptions options, int vocabulary) =>
        new(backend, new Words(vocabulary), options, new ManualTime(), ownThread: false);

    private static GeneratedToken[][] Run(InferenceEngine engine, InferenceRequest[] requests)
    {
        EngineReply[] replies = [.. requests.Select(request => engine.Submit(request)[0])];
        while (engine.Step())
        {
        }

        Assert.All(replies, reply => Assert.NotNull(reply.Finish));
        return [.. replies.Select(Tokens)];
    }

    private static GeneratedToken[] Tokens(EngineReply reply)
    {
        List<GeneratedToken> tokens = [];
        while (reply.Tokens.TryRead(out var token))
            tokens.Add(token);
        return [.. tokens];
    }
}
