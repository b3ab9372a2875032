using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Inference.Managed;
using Cluster.Model.Optimizer;
using Cluster.Model.Training;

namespace Cluster.Inference.Tests.Managed;

public class ManagedDecoderTests
{
    private static readonly ModelShape s_everything = TestModels.ShapeOf("everything");

    public static TheoryData<string> Shapes() => TestModels.Shapes();

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Decode_Fp32_EqualsTraining(string name) => AssertNearTraining(name, DecodePrecision.Fp32, 1e-4);

    // Logits of these models are of order 1 to 10; a weight rounded to bf16 is off by up to 1 in 256.
    [Theory]
    [MemberData(nameof(Shapes))]
    public void Decode_Bf16_StaysNearTraining(string name) => AssertNearTraining(name, DecodePrecision.Bf16, 0.05);

    [Theory]
    [InlineData(DecodePrecision.Fp32)]
    [InlineData(DecodePrecision.Bf16)]
    public void Decode_TokenByToken_SameBitsAsPrefillOfWholePrefix(DecodePrecision precision)
    {
        using var decoder = TestModels.Decoder(s_everything, precision);
        var ids = TestModels.Ids(TestModels.Context, s_everything.Vocabulary);
        using var cached = decoder.CreateSequence();
        for (var t = 0; t < ids.Length; t++)
        {
            var withCache = decoder.Decode(cached, ids[t]).ToArray();
            using var anew = decoder.CreateSequence();
            Assert.Equal(withCache, decoder.Prefill(anew, ids.AsSpan(0, t + 1)).ToArray());
        }
    }

    [Fact]
    public void Prefill_SplitAnywhere_SameBits()
    {
        using var decoder = TestModels.Decoder(s_everything);
        var ids = TestModels.Ids(TestModels.Context, s_everything.Vocabulary);
        using var whole = decoder.CreateSequence();
        var expected = decoder.Prefill(whole, ids).ToArray();
        for (var split = 1; split < ids.Length; split++)
        {
            using var sequence = decoder.CreateSequence();
            Assert.True(decoder.Prefill(sequence, ids.AsSpan(0, split), LogitRows.None).IsEmpty);
            Assert.Equal(expected, decoder.Prefill(sequence, ids.AsSpan(split)).ToArray());
            Assert.Equal(ids.Length, sequence.Length);
        }
    }

    [Fact]
    public void Prefill_AllLogits_AreThoseOfEachToken()
    {
        using var decoder = TestModels.Decoder(s_everything);
        var ids = TestModels.Ids(20, s_everything.Vocabulary);
        using var all = decoder.CreateSequence();
        using var single = decoder.CreateSequence();
        var rows = decoder.Prefill(all, ids, LogitRows.All).ToArray();
        for (var t = 0; t < ids.Length; t++)
            Assert.Equal(decoder.Decode(single, ids[t]).ToArray(), rows.AsSpan(t * s_everything.Vocabulary, s_everything.Vocabulary).ToArray());
    }

    [Theory]
    [InlineData(DecodePrecision.Fp32, "wide")]
    [InlineData(DecodePrecision.Bf16, "wide")]
    [InlineData(DecodePrecision.Fp32, "everything")]
    public void Decode_BatchOfAnySize_SameBitsAsAlone(DecodePrecision precision, string name)
    {
        var shape = TestModels.ShapeOf(name);
        using var decoder = TestModels.Decoder(shape, precision, cacheTokens: 40 * TestModels.Context);
        const int steps = 4;
        int[][] prompts = [.. Enumerable.Range(0, 37).Select(i => TestModels.Ids(1 + 7 * i % 33, shape.Vocabulary, (ulong)i))];
        float[][] alone = [.. prompts.Select((prompt, i) => Run([i])[0])];
        foreach (var size in (int[])[2, 3, 4, 5, 8, 37])
        {
            int[] members = [.. Enumerable.Range(0, size).Select(i => (i * 11 + size) % 37)];
            var rows = Run(members);
            for (var i = 0; i < size; i++)
                Assert.Equal(alone[members[i]], rows[i]);
        }

        float[][] Run(int[] members)
        {
            DecodeSequence[] sequences = [.. members.Select(_ => decoder.CreateSequence())];
            for (var i = 0; i < members.Length; i++)
                decoder.Prefill(sequences[i], prompts[members[i]], LogitRows.None);
            var rows = new float[members.Length][];
            for (var step = 0; step < steps; step++)
            {
                var logits = decoder.Decode(sequences, [.. members.Select(m => (m + step) % shape.Vocabulary)]);
                for (var i = 0; i < members.Length; i++)
                    rows[i] = [.. rows[i] ?? [], .. logits.Slice(i * shape.Vocabulary, shape.Vocabulary)];
            }

            foreach (var sequence in sequences)
                sequence.Dispose();
            return rows;
        }
    }

    [Fact]
    public void Decode_EarlierTokenChanged_OtherLogits()
    {
        using var decoder = TestModels.Decoder(s_everything);
        var ids = TestModels.Ids(TestModels.Context, s_everything.Vocabulary);
        using var one = decoder.CreateSequence();
        using var two = decoder.CreateSequence();
        var before = decoder.Prefill(one, ids).ToArray();
        ids[0] = (ids[0] + 1) % s_everything.Vocabulary;
        Assert.NotEqual(before, decoder.Prefill(two, ids).ToArray());
    }

    [Fact]
    public void Prefill_InBlocksUsedBefore_NoTrace()
    {
        // Room for one sequence: the second gets the first one's blocks, in another order.
        using var decoder = TestModels.Decoder(s_everything, cacheTokens: TestModels.Context);
        var ids = TestModels.Ids(TestModels.Context, s_everything.Vocabulary);
        float[] expected;
        using (var fresh = decoder.CreateSequence())
            expected = decoder.Prefill(fresh, ids.AsSpan(0, 21)).ToArray();
        using (var other = decoder.CreateSequence())
            decoder.Prefill(other, TestModels.Ids(TestModels.Context, s_everything.Vocabulary, stream: 9));
        using var again = decoder.CreateSequence();
        Assert.Equal(expected, decoder.Prefill(again, ids.AsSpan(0, 21)).ToArray());
        decoder.Prefill(again, ids.AsSpan(21, 20));
        again.Truncate(20);
        Assert.Equal(expected, decoder.Decode(again, ids[20]).ToArray());
    }

    [Fact]
    public void Decode_Repeated_AllocatesNothing()
    {
        using var decoder = TestModels.Decoder(TestModels.Small);
        using var sequence = decoder.CreateSequence();
        decoder.Prefill(sequence, [1, 2, 3]);
        DecodeSequence[] batch = [sequence];
        int[] ids = [5];
        decoder.Decode(batch, ids);
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < 40; i++)
            decoder.Decode(batch, ids);
        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - before);
    }

    [Fact]
    public void Calls_BadArguments_ThrowAndChangeNothing()
    {
        using var decoder = TestModels.Decoder(TestModels.Small, cacheTokens: 32);
        using var other = TestModels.Decoder(TestModels.Small);
        using var stranger = other.CreateSequence();
        using var one = decoder.CreateSequence();
        using var two = decoder.CreateSequence();
        Assert.Throws<ArgumentException>(() => { decoder.Prefill(one, []); });
        Assert.Throws<ArgumentException>(() => { decoder.Prefill(one, [0, 80]); });
        Assert.Throws<ArgumentException>(() => { decoder.Decode(one, -1); });
        Assert.Throws<ArgumentException>(() => { decoder.Decode(stranger, 1); });
        Assert.Throws<ArgumentException>(() => { decoder.Decode([one, two], [1]); });
        Assert.Throws<ArgumentException>(() => { decoder.Decode([one, one], [1, 2]); });
        Assert.Throws<ArgumentException>(() => { decoder.Prefill(one, new int[TestModels.Context + 1]); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { decoder.Prefill(one, new int[decoder.PrefillChunk + 1], LogitRows.All); });
        decoder.Prefill(two, new int[16]);
        Assert.Throws<KvCacheFullException>(() => { decoder.Prefill(one, new int[17]); });
        decoder.Prefill(one, new int[16]);
        Assert.Throws<KvCacheFullException>(() => { decoder.Decode([one, two], [1, 2]); });
        Assert.Equal((16, 16, 0), (one.Length, two.Length, decoder.Cache.Free));
        two.Dispose();
        decoder.Decode(one, 1);
        Assert.Equal((17, 0), (one.Length, decoder.Cache.Free));
    }

    private static void AssertNearTraining(string name, DecodePrecision precision, double tolerance)
    {
        var shape = TestModels.ShapeOf(name);
        using var engine = new TrainingEngine(new EngineOptions(shape, Cluster.Core.Models.Precision.Fp32, TestModels.Context, new AdamWOptions()), seed: 7);
        TestModels.Parameters(engine.Layout).CopyTo(engine.Parameters);
        engine.ParametersChanged();
        var ids = TestModels.Ids(TestModels.Context, shape.Vocabulary);
        var expected = engine.Logits(new MicroBatch(ids, ids, new byte[ids.Length], TestModels.Context));
        using var decoder = new ManagedDecoder(engine.Layout, engine.Parameters, precision);
        using var sequence = decoder.CreateSequence();

        double worst = 0, size = 0;
        for (var t = 0; t < ids.Length; t++)
        {
            var logits = decoder.Decode(sequence, ids[t]);
            for (var v = 0; v < shape.Vocabulary; v++)
            {
                worst = Math.Max(worst, Math.Abs(logits[v] - expected[t * shape.Vocabulary + v]));
                size = Math.Max(size, Math.Abs(expected[t * shape.Vocabulary + v]));
            }
        }

        Assert.InRange(size, 1, 50);
        Assert.True(worst <= tolerance, $"largest difference {worst:E2} of logits up to {size:F1}");
        if (precision == DecodePrecision.Bf16)
            Assert.True(worst > 1e-4, "bf16 came out as fp32: nothing was rounded");
    }
}
