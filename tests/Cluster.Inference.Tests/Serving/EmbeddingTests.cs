using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Generation;
using Cluster.Inference.Scheduling;
using Cluster.Inference.Serving;

namespace Cluster.Inference.Tests.Serving;

/// <summary>Means of hidden states, computed among replies.</summary>
public class EmbeddingTests
{
    private const int Vocabulary = 24, Context = 64;

    [Theory]
    [InlineData("equal")]
    [InlineData("padded")]
    [InlineData("tails")]
    [InlineData("managed")]
    [InlineData("products")]
    public async Task Embed_AmongRepliesInASmallPool_SameBitsAsTheBackendsOwnRows(string kind)
    {
        var context = kind == "products" ? 160 : Context;
        int[][] texts = [.. Enumerable.Range(0, 12).Select(i => TestModels.Ids(1 + i * 29 % (context - 2), Vocabulary, (ulong)i % 3))];
        float[][] expected = [.. texts.Select(text => Mean(kind, context, text))];
        using var engine = Engine(Make(kind, context, 2), new SchedulerOptions { MaxRunning = 8, TokenBudget = 8 + 128 });
        for (var round = 0; round < 2; round++)
        {
            EngineReply[] replies = [.. Enumerable.Range(0, 6).Select(i =>
                engine.Submit(new InferenceRequest { Prompt = TestModels.Ids(20 + i, Vocabulary, (ulong)i), Options = new() { MaxTokens = 40 } })[0])];
            EngineEmbedding[] embeddings = [.. texts.Select(text => engine.Embed(text))];
            while (engine.Step())
            {
            }

            for (var i = 0; i < texts.Length; i++)
                Assert.Equal(expected[i], await embeddings[i].Mean);
            Assert.All(embeddings, embedding => Assert.Equal(FinishReason.Stop, embedding.Finish));
            Assert.All(replies, reply => Assert.NotNull(reply.Finish));
        }

        var snapshot = engine.Snapshot();
        Assert.Equal((0, 0, 0), (snapshot.HeldBlocks, snapshot.Running, snapshot.Waiting));
        Assert.True(snapshot.Preemptions > 0, "nothing was preempted");
    }

    [Fact]
    public void Embed_CalledOffWaitingOrRunning_BlocksAreFree()
    {
        using var engine = Engine(Make("equal", Context, 1), new SchedulerOptions { MaxRunning = 1, TokenBudget = 9 });
        using var stop = new CancellationTokenSource();
        var running = engine.Embed(TestModels.Ids(40, Vocabulary), cancellation: stop.Token);
        var waiting = engine.Embed(TestModels.Ids(40, Vocabulary), cancellation: stop.Token);
        engine.Step();
        Assert.True(engine.Snapshot().HeldBlocks > 0);
        stop.Cancel();
        engine.Step();
        Assert.Equal((0, 0, 0), (engine.Snapshot().HeldBlocks, engine.Snapshot().Running, engine.Snapshot().Waiting));
        Assert.All((EngineEmbedding[])[running, waiting], embedding => Assert.True(embedding.Mean.IsCanceled));
    }

    [Fact]
    public void Embed_TimeIsOverModelFailsOrIdsAreOfNoUse_SaysSo()
    {
        var time = new ManualTime();
        var backend = (TraceBackend)Make("padded", Context, 1);
        using var engine = new InferenceEngine(backend, new Words(Vocabulary), new SchedulerOptions { MaxRunning = 1, TokenBudget = 9 }, time, ownThread: false);
        var late = engine.Embed([1, 2, 3], TimeSpan.FromSeconds(1));
        time.Advance(TimeSpan.FromSeconds(2));
        engine.Step();
        Assert.IsType<TimeoutException>(late.Mean.Exception!.InnerException);
        Assert.Equal("The text holds the token id 24.", Assert.Throws<UserErrorException>(() => engine.Embed([1, 24])).What);
        Assert.Throws<UserErrorException>(() => engine.Embed([]));
        Assert.Throws<UserErrorException>(() => engine.Embed(new int[Context]));
        backend.CallsLeft = 0;
        var failed = engine.Embed([1]);
        engine.Step();
        Assert.IsType<EngineUnavailableException>(failed.Mean.Exception!.InnerException);
    }

    private static float[] Mean(string kind, int context, int[] text)
    {
        using var backend = Make(kind, context, 2);
        using var sequence = backend.CreateSequence();
        var width = backend.Shape.Width;
        var sum = new double[width];
        for (var t = 0; t < text.Length; t += backend.PrefillChunk)
        {
            var rows = backend.Hidden(sequence, text.AsSpan(t, Math.Min(backend.PrefillChunk, text.Length - t)));
            for (var i = 0; i < rows.Length; i++)
                sum[i % width] += rows[i];
        }

        return [.. sum.Select(value => (float)(value / text.Length))];
    }

    private static IDecodeBackend Make(string kind, int context, int sequences) => kind switch
    {
        "equal" or "padded" or "tails" => new TraceBackend(sequences * context / 4, 4, 8, context, kind == "equal", Vocabulary) { Tails = kind == "tails" },
        _ => Backends.TorchBackendsTests.Make(kind, TestModels.ShapeOf("default") with { Context = context }, Precision.Bf16, sequences * context),
    };

    private static InferenceEngine Engine(IDecodeBackend backend, SchedulerOptions options) =>
        new(backend, new Words(Vocabulary), options, new ManualTime(), ownThread: false);
}
