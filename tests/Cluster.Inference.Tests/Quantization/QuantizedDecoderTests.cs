using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Inference.Managed;
using Cluster.Inference.Quantization;

namespace Cluster.Inference.Tests.Quantization;

public class QuantizedDecoderTests
{
    public static TheoryData<string> Shapes() => TestModels.Shapes();

    public static TheoryData<WeightFormat, ActivationFormat, CacheFormat> Formats()
    {
        var data = new TheoryData<WeightFormat, ActivationFormat, CacheFormat>();
        foreach (var weights in Enum.GetValues<WeightFormat>())
        {
            foreach (var activations in Enum.GetValues<ActivationFormat>())
            {
                foreach (var cache in Enum.GetValues<CacheFormat>())
                    data.Add(weights, activations, cache);
            }
        }

        return data;
    }

    // The error of the whole is what the codes' rounding gives, and no more: with fp32 activations the decoder is the fp32 decoder of the
    // dequantised weights, up to the order of sums.
    [Theory]
    [MemberData(nameof(Shapes))]
    public void Decode_Fp32Activations_EqualsDequantisedModel(string name)
    {
        foreach (var format in Enum.GetValues<WeightFormat>())
        {
            var model = Model(TestModels.ShapeOf(name), format, ActivationFormat.Fp32, CacheFormat.Fp32);
            using var quantized = new ManagedDecoder(model);
            using var plain = new ManagedDecoder(model.Layout, model.Dequantize(), DecodePrecision.Fp32);
            Assert.InRange(Distance(quantized, plain), 0, 1e-5);
        }
    }

    // Relative distance of logits from the fp32 model's. 4 bits of random weights are coarse; 8 bits are not.
    [Theory]
    [InlineData(WeightFormat.Int8, ActivationFormat.Fp32, CacheFormat.Fp32, 0.03)]
    [InlineData(WeightFormat.Int8, ActivationFormat.Int8, CacheFormat.Fp32, 0.06)]
    [InlineData(WeightFormat.Int8Group, ActivationFormat.Int8, CacheFormat.Fp32, 0.05)]
    [InlineData(WeightFormat.Int8Group, ActivationFormat.Int8, CacheFormat.Int8, 0.05)]
    [InlineData(WeightFormat.Int4Group, ActivationFormat.Int8, CacheFormat.Bf16, 0.4)]
    public void Decode_Quantised_StaysNearFp32(WeightFormat weights, ActivationFormat activations, CacheFormat cache, double bound)
    {
        var shape = TestModels.ShapeOf("wide");
        using var quantized = new ManagedDecoder(Model(shape, weights, activations, cache));
        using var plain = TestModels.Decoder(shape);
        Assert.InRange(Distance(quantized, plain), bound / 30, bound);
    }

    [Theory]
    [InlineData(CacheFormat.Bf16, 0.01)]
    [InlineData(CacheFormat.Int8, 0.02)]
    public void Decode_NarrowCache_StaysNearFp32ForAllShapes(CacheFormat cache, double bound)
    {
        foreach (var name in TestModels.Shapes())
        {
            var layout = new ParameterLayout(TestModels.ShapeOf(name));
            using var narrow = new ManagedDecoder(layout, TestModels.Parameters(layout), DecodePrecision.Fp32, cacheFormat: cache);
            using var plain = new ManagedDecoder(layout, TestModels.Parameters(layout), DecodePrecision.Fp32);
            var distance = Distance(narrow, plain);
            Assert.True(distance > 1e-6 && distance < bound, $"{name}: {distance}");
        }
    }

    [Theory]
    [MemberData(nameof(Formats))]
    public void Decode_BatchPrefillPreemptionPrefix_SameBitsAsAlone(WeightFormat weights, ActivationFormat activations, CacheFormat cache)
    {
        foreach (var name in (string[])["wide", "everything"])
        {
            var shape = TestModels.ShapeOf(name);
            using var decoder = new ManagedDecoder(Model(shape, weights, activations, cache), cacheTokens: 12 * TestModels.Context);
            int[][] texts = [.. Enumerable.Range(0, 7).Select(i => TestModels.Ids(20 + i, shape.Vocabulary, (ulong)i))];
            float[][] alone = [.. texts.Select(text => Alone(decoder, text))];

            // A batch: all rows' logits of the last token.
            DecodeSequence[] sequences = [.. texts.Select(_ => decoder.CreateSequence())];
            for (var i = 0; i < texts.Length; i++)
                decoder.Prefill(sequences[i], texts[i].AsSpan(0, texts[i].Length - 1), LogitRows.None);
            var logits = decoder.Decode(sequences, [.. texts.Select(text => text[^1])]);
            for (var i = 0; i < texts.Length; i++)
                Assert.Equal(alone[i], logits.Slice(i * shape.Vocabulary, shape.Vocabulary).ToArray());

            // Preempted: cut back and read again, in pieces of other sizes.
            foreach (var (sequence, i) in sequences.Select((s, i) => (s, i)))
            {
                sequence.Truncate(5);
                decoder.Prefill(sequence, texts[i].AsSpan(5, 6), LogitRows.None);
                Assert.Equal(alone[i], decoder.Prefill(sequence, texts[i].AsSpan(11)).ToArray());
            }

            foreach (var sequence in sequences)
                sequence.Dispose();
        }
    }

    [Fact]
    public void Decode_OneCodeChanged_OtherLogits()
    {
        var model = Model(TestModels.Small, WeightFormat.Int8, ActivationFormat.Int8, CacheFormat.Fp32);
        using var before = new ManagedDecoder(model);
        var ids = TestModels.Ids(20, model.Layout.Shape.Vocabulary);
        var expected = Alone(before, ids);
        model.Matrices["blocks.1.feed_forward.down.weight"].Codes[77] ^= 0x40;
        using var after = new ManagedDecoder(model);
        Assert.NotEqual(expected, Alone(after, ids));
    }

    [Fact]
    public void Decode_Repeated_AllocatesNothing()
    {
        using var decoder = new ManagedDecoder(Model(TestModels.Small, WeightFormat.Int8Group, ActivationFormat.Int8, CacheFormat.Int8));
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
    public void Statistics_OfText_AreMeanSquaresOfWhatEntersProducts()
    {
        var layout = new ParameterLayout(TestModels.Small);
        var parameters = TestModels.Parameters(layout);
        var statistics = new ActivationStatistics();
        var ids = TestModels.Ids(40, TestModels.Small.Vocabulary);
        using (var watched = new ManagedDecoder(layout, parameters, DecodePrecision.Fp32, statistics: statistics))
        using (var sequence = watched.CreateSequence())
            watched.Prefill(sequence, ids);

        foreach (var p in layout.Parameters.Where(p => p.IsMatrix))
            Assert.Equal(p.Columns, statistics.MeanSquares(p.Name).Length);
        // What enters a projection of normalised rows: gain² on average, the gains being near 1.
        var squares = statistics.MeanSquares("blocks.0.attention.qkv.weight");
        var gain = layout["blocks.0.attention_norm.gain"];
        var expected = parameters.AsSpan((int)gain.Offset, gain.Columns).ToArray().Average(g => g * g);
        Assert.InRange(squares.Average() / expected, 0.8, 1.2);
        Assert.Empty(statistics.MeanSquares("none"));
    }

    internal static QuantizedModel Model(ModelShape shape, WeightFormat weights, ActivationFormat activations, CacheFormat cache)
    {
        var layout = new ParameterLayout(shape);
        return QuantizedModel.Of(layout, TestModels.Parameters(layout), new QuantizationScheme(weights, weights, activations, activations, cache));
    }

    internal static float[] Alone(ManagedDecoder decoder, ReadOnlySpan<int> ids)
    {
        using var sequence = decoder.CreateSequence();
        for (var i = 0; i < ids.Length - 1; i++)
            decoder.Decode(sequence, ids[i]);
        return decoder.Decode(sequence, ids[^1]).ToArray();
    }

    private static double Distance(ManagedDecoder one, ManagedDecoder two)
    {
        var ids = TestModels.Ids(32, one.Shape.Vocabulary);
        using var a = one.CreateSequence();
        using var b = two.CreateSequence();
        var x = one.Prefill(a, ids, LogitRows.All);
        var y = two.Prefill(b, ids, LogitRows.All);
        double off = 0, size = 0;
        for (var i = 0; i < x.Length; i++)
        {
            off += (x[i] - y[i]) * (double)(x[i] - y[i]);
            size += y[i] * (double)y[i];
        }

        return Math.Sqrt(off / size);
    }
}
