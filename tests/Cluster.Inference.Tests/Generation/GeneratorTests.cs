using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Inference.Generation;
using Cluster.Inference.Sampling;

namespace Cluster.Inference.Tests.Generation;

public class GeneratorTests
{
    private static readonly GenerationOptions s_greedy = new() { Temperature = 0, MaxTokens = 20 };

    [Theory]
    [InlineData("default")]
    [InlineData("everything")]
    public void Complete_Greedy_EqualsArgmaxWithoutCache(string name)
    {
        using var decoder = TestModels.Decoder(TestModels.ShapeOf(name));
        using var generator = new Generator(decoder, new Words(70));
        List<int> ids = [3, 14, 15];
        for (var i = 0; i < s_greedy.MaxTokens; i++)
        {
            using var sequence = decoder.CreateSequence();
            // Ids above the tokenizer's are never drawn.
            var logits = decoder.Prefill(sequence, ids.ToArray())[..70].ToArray();
            ids.Add(Array.IndexOf(logits, logits.Max()));
        }

        var reply = generator.Complete([3, 14, 15], s_greedy);
        Assert.Equal(ids[3..], reply.Ids);
        Assert.Equal(string.Concat(ids[3..].Select(Words.Text)), reply.Text);
        Assert.Equal(FinishReason.Length, reply.Finish);
        Assert.Equal(decoder.Cache.Count, decoder.Cache.Free);
    }

    [Fact]
    public void Complete_Seeds_ReproduceAndDiffer()
    {
        using var decoder = TestModels.Decoder(TestModels.Small);
        using var generator = new Generator(decoder, new Words(80));
        var options = new GenerationOptions { MaxTokens = 30, Temperature = 1.5, Seed = 1 };
        var one = generator.Complete([1, 2], options);
        Assert.Equal(one.Ids, generator.Complete([1, 2], options).Ids);
        Assert.NotEqual(one.Ids, generator.Complete([1, 2], options with { Seed = 2 }).Ids);
        Assert.NotEqual(one.Ids, generator.Complete([1, 2], options, request: 1).Ids);
    }

    [Theory]
    [InlineData(5)]
    [InlineData(40)] // more than a chunk
    public void GenerateChoices_EachAsAlone_PromptIsComputedOnce(int length)
    {
        using var backend = new TraceBackend(blocks: 32, blockTokens: 4, chunk: 32, context: 96, prefillEqualsDecode: false);
        using var generator = new Generator(backend, new Words(24));
        var options = new GenerationOptions { MaxTokens = 9, Temperature = 1.5, Seed = 3, Choices = 3 };
        var prompt = TestModels.Ids(length, 24);
        List<int[]> replies = [];
        foreach (var stream in generator.GenerateChoices(prompt, options, request: 5))
        {
            Assert.Equal(9, stream.Count());
            replies.Add(stream.Ids.ToArray());
        }

        Assert.Equal(length + 3 * 8, backend.Computed);
        Assert.Equal(backend.Cache.Count, backend.Cache.Free);
        Assert.Equal(3, replies.Select(ids => string.Join(' ', ids)).Distinct().Count());
        for (var i = 0; i < 3; i++)
            Assert.Equal(generator.Complete(prompt, options.OfChoice(i, 5), request: 5).Ids, replies[i]);
        Assert.Equal("n is 3 where one reply is written.", Assert.Throws<UserErrorException>(() => generator.Generate(prompt, options)).What);
    }

    [Fact]
    public void GenerateChoices_CalledOffBetween_LaterOnesAreEmpty()
    {
        using var backend = new TraceBackend(blocks: 32, blockTokens: 4, chunk: 8, context: 96, prefillEqualsDecode: true);
        using var generator = new Generator(backend, new Words(24));
        using var stop = new CancellationTokenSource();
        List<int> lengths = [];
        foreach (var stream in generator.GenerateChoices([1, 2, 3], new GenerationOptions { MaxTokens = 9, Choices = 3 }, 0, stop.Token))
        {
            foreach (var _ in stream)
            {
                if (lengths.Count == 1 && stream.Ids.Length == 4)
                    stop.Cancel();
            }

            lengths.Add(stream.Ids.Length);
        }

        Assert.Equal([9, 4, 0], lengths);
        Assert.Equal(backend.Cache.Count, backend.Cache.Free);
    }

    [Fact]
    public void Complete_ContinuedFromItsOwnTokens_SameReply()
    {
        using var decoder = TestModels.Decoder(TestModels.Small);
        using var generator = new Generator(decoder, new Words(80));
        var options = new GenerationOptions { MaxTokens = 30, Temperature = 1.5, Seed = 1 };
        var whole = generator.Complete([1, 2], options).Ids;
        // As after the death of a server: the prompt and what was already streamed.
        var rest = generator.Complete([1, 2, .. whole.Take(11)], options with { MaxTokens = 19 }).Ids;
        Assert.Equal(whole.Skip(11), rest);
    }

    [Fact]
    public void Generate_LogProbabilities_AreTheModels()
    {
        using var decoder = TestModels.Decoder(TestModels.Small);
        using var generator = new Generator(decoder, new Words(80));
        List<int> ids = [1];
        foreach (var token in generator.Generate([1], new GenerationOptions { MaxTokens = 5, Temperature = 0.5, TopK = 3 }))
        {
            using var sequence = decoder.CreateSequence();
            var logits = decoder.Prefill(sequence, ids.ToArray()).ToArray();
            Assert.Equal(logits[token.Id] - Math.Log(logits.Sum(l => Math.Exp(l))), token.LogProbability, 1e-4);
            ids.Add(token.Id);
        }

        Assert.Equal(6, ids.Count);
    }

    [Fact]
    public void Generate_StopToken_EndsReplyWithoutItsText()
    {
        using var generator = Scripted("hello");
        var reply = generator.Complete([0], s_greedy with { StopTokens = ['l'] });
        Assert.Equal("he", reply.Text);
        Assert.Equal(['h', 'e', 'l'], reply.Ids.Select(id => (char)id));
        Assert.Equal(FinishReason.Stop, reply.Finish);
    }

    [Fact]
    public void Generate_StopStringAcrossTokens_HeldBackThenDropped()
    {
        using var generator = Scripted("ab<x<end>cd");
        var steps = generator.Generate([0], s_greedy with { StopStrings = ["<end>"] }).ToArray();
        Assert.Equal(["a", "b", "", "<x", "", "", "", "", ""], steps.Select(s => s.Text));
        Assert.Equal(FinishReason.Stop, steps[^1].Finish);
        Assert.All(steps[..^1], s => Assert.Null(s.Finish));
    }

    [Fact]
    public void Generate_EndsInsideStopString_HeldTextIsReleased()
    {
        using var generator = Scripted("ab<en");
        var steps = generator.Generate([0], s_greedy with { MaxTokens = 5, StopStrings = ["<end>"] }).ToArray();
        Assert.Equal(["a", "b", "", "", "<en"], steps.Select(s => s.Text));
        Assert.Equal(FinishReason.Length, steps[^1].Finish);
    }

    [Fact]
    public void Generate_CharacterAcrossTokens_ComesWhole()
    {
        using var generator = Scripted("é🙂!");
        var steps = generator.Generate([0], s_greedy with { MaxTokens = 7 }).ToArray();
        Assert.Equal(["", "é", "", "", "", "🙂", "!"], steps.Select(s => s.Text));
    }

    [Fact]
    public void Generate_ContextFull_Ends()
    {
        using var decoder = TestModels.Decoder(TestModels.Small);
        using var generator = new Generator(decoder, new Words(80));
        var reply = generator.Complete(new int[TestModels.Context - 3], s_greedy);
        Assert.Equal(3, reply.Ids.Count);
        Assert.Equal(FinishReason.Context, reply.Finish);
        Assert.Equal(FinishReason.Length, generator.Complete(new int[TestModels.Context - 3], s_greedy with { MaxTokens = 3 }).Finish);
    }

    [Fact]
    public void Generate_BadPrompt_SaysWhatAndRemedy()
    {
        using var decoder = TestModels.Decoder(TestModels.Small);
        using var generator = new Generator(decoder, new Words(70));
        var error = Assert.Throws<UserErrorException>(() => generator.Generate(new int[48], s_greedy));
        Assert.Equal("The prompt has 48 tokens; the model's context holds 48, reply included.", error.What);
        Assert.Contains("47", error.Remedy, StringComparison.Ordinal);
        Assert.Throws<UserErrorException>(() => generator.Generate([], s_greedy));
        Assert.Throws<UserErrorException>(() => generator.Generate([70], s_greedy));
        Assert.Throws<UserErrorException>(() => generator.Generate([1], s_greedy with { Temperature = -1 }));
        Assert.Throws<UserErrorException>(() => new Generator(decoder, new Words(81)));
    }

    [Fact]
    public void Generate_Cancelled_EndsBetweenTokens()
    {
        using var decoder = TestModels.Decoder(TestModels.Small);
        using var generator = new Generator(decoder, new Words(80));
        using var source = new CancellationTokenSource();
        var stream = generator.Generate([1], s_greedy, cancellation: source.Token);
        var count = 0;
        foreach (var _ in stream)
        {
            if (++count == 4)
                source.Cancel();
        }

        Assert.Equal((4, FinishReason.Cancelled), (stream.Ids.Length, stream.Finish));
        Assert.Equal(decoder.Cache.Count, decoder.Cache.Free);
        Assert.Throws<InvalidOperationException>(() => stream.Count());
        var late = generator.Generate(new int[40], s_greedy, cancellation: source.Token);
        Assert.Empty(late);
        Assert.Equal(FinishReason.Cancelled, late.Finish);
    }

    [Fact]
    public void Generate_EnumerationAbandoned_BlocksReturned()
    {
        using var decoder = TestModels.Decoder(TestModels.Small);
        using var generator = new Generator(decoder, new Words(80));
        Assert.Equal(3, generator.Generate([1], s_greedy).Take(3).Count());
        Assert.Equal(decoder.Cache.Count, decoder.Cache.Free);
    }

    /// <summary>A generator that replies with the bytes of a text, whatever it is asked.</summary>
    private static Generator Scripted(string reply) => new(new ScriptedBackend(Encoding.UTF8.GetBytes(reply)), new AllBytes());

    /// <summary>Each id is the byte of its number.</summary>
    private sealed class AllBytes : ITokenText
    {
        private readonly byte[] _bytes = [.. Enumerable.Range(0, 256).Select(i => (byte)i)];

        public int Count => 256;

        public ReadOnlySpan<byte> Bytes(int id) => _bytes.AsSpan(id, 1);
    }

    /// <summary>After t tokens beyond the first, the t-th byte of the script is the most probable.</summary>
    private sealed class ScriptedBackend(byte[] script) : IDecodeBackend
    {
        private readonly float[] _logits = new float[256];

        public ModelShape Shape { get; } = new ModelShape { Context = 64, Vocabulary = 256 }.Resolved();

        public int PrefillChunk => 8;

        public KvBlockPool Cache { get; } = new(blocks: 4, blockTokens: 16);

        public DecodeSequence CreateSequence() => new(Cache, Shape.MaxContext);

        public ReadOnlySpan<float> Prefill(DecodeSequence sequence, scoped ReadOnlySpan<int> ids, LogitRows logits = LogitRows.Last)
        {
            sequence.Reserve(ids.Length);
            sequence.Advance(ids.Length);
            Array.Clear(_logits);
            _logits[script[sequence.Length - 1]] = 1;
            return _logits;
        }

        public ReadOnlySpan<float> Hidden(DecodeSequence sequence, scoped ReadOnlySpan<int> ids) => throw new NotSupportedException();

        public ReadOnlySpan<float> Decode(scoped ReadOnlySpan<DecodeSequence> sequences, scoped ReadOnlySpan<int> ids) => Prefill(sequences[0], ids);

        public void Dispose()
        {
        }
    }
}
