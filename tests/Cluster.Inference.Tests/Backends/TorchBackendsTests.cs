using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Inference.Managed;
using Cluster.Model.Decode;
using Cluster.Model.Optimizer;
using Cluster.Model.Runtime;
using Cluster.Model.Training;

namespace Cluster.Inference.Tests.Backends;

/// <summary>The backends that use Torch: its products for prompts beside managed decode, and all of it.</summary>
public class TorchBackendsTests
{
    private const int Context = 200; // chunks of 64 rows, three and a part
    private static readonly ModelShape s_everything = TestModels.ShapeOf("everything") with { Context = Context };

    public static TheoryData<string, Precision, string> Kinds()
    {
        var kinds = new TheoryData<string, Precision, string>();
        foreach (var backend in (string[])["products", "tensors"])
        {
            foreach (var shape in (string[])["default", "everything", "learned", "wide"])
            {
                kinds.Add(backend, Precision.Fp32, shape);
                kinds.Add(backend, Precision.Bf16, shape);
            }
        }

        return kinds;
    }

    // Logits of these models are of order 1 to 10; bf16 rounds weights and activations by up to 1 in 256.
    [Theory]
    [MemberData(nameof(Kinds))]
    public void PrefillAndDecode_LogitsAreThoseOfTraining(string backend, Precision precision, string name)
    {
        var shape = TestModels.ShapeOf(name) with { Context = Context };
        using var engine = new TrainingEngine(new EngineOptions(shape, Precision.Fp32, Context, new AdamWOptions()), seed: 7);
        TestModels.Parameters(engine.Layout).CopyTo(engine.Parameters);
        engine.ParametersChanged();
        var ids = TestModels.Ids(Context, shape.Vocabulary);
        var expected = engine.Logits(new MicroBatch(ids, ids, new byte[ids.Length], Context));
        using var decoder = Make(backend, shape, precision);
        using var sequence = decoder.CreateSequence();

        double worst = 0, size = 0;
        const int prompt = 150;
        for (var t = 0; t < Context;)
        {
            var rows = t < prompt ? Math.Min(decoder.PrefillChunk, prompt - t) : 1;
            var logits = t < prompt ? decoder.Prefill(sequence, ids.AsSpan(t, rows), LogitRows.All) : decoder.Decode(sequence, ids[t]);
            Assert.Equal(rows * shape.Vocabulary, logits.Length);
            for (var i = 0; i < logits.Length; i++)
            {
                worst = Math.Max(worst, Math.Abs(logits[i] - expected[t * shape.Vocabulary + i]));
                size = Math.Max(size, Math.Abs(expected[t * shape.Vocabulary + i]));
            }

            t += rows;
        }

        var tolerance = precision == Precision.Fp32 ? 1e-4 : 0.1;
        Assert.True(worst < tolerance * size, $"{worst} off in logits up to {size}");
        Assert.True(precision == Precision.Fp32 || worst > 1e-4 * size, "bf16 that rounds nothing");
    }

    [Theory]
    [InlineData("products", Precision.Bf16)]
    [InlineData("products", Precision.Fp32)]
    [InlineData("tensors", Precision.Bf16)]
    [InlineData("tensors", Precision.Fp32)]
    public void Prefill_SplitAnywhere_SameBits(string backend, Precision precision)
    {
        using var decoder = Make(backend, s_everything, precision);
        var ids = TestModels.Ids(140, s_everything.Vocabulary);
        using var whole = decoder.CreateSequence();
        var expected = decoder.Prefill(whole, ids).ToArray();
        var after = decoder.Decode(whole, 3).ToArray();
        // Where nothing is padded, prompts are cut between chunks only.
        foreach (var split in backend == "products" ? (int[])[64, 128] : [1, 15, 16, 63, 64, 65, 100, 128, 139])
        {
            using var sequence = decoder.CreateSequence();
            Assert.True(decoder.Prefill(sequence, ids.AsSpan(0, split), LogitRows.None).IsEmpty);
            Assert.Equal(expected, decoder.Prefill(sequence, ids.AsSpan(split)).ToArray());
            Assert.Equal(after, decoder.Decode(sequence, 3).ToArray());
        }

        using var rows = decoder.CreateSequence();
        decoder.Prefill(rows, ids.AsSpan(0, 128), LogitRows.None);
        Assert.Equal(expected, decoder.Prefill(rows, ids.AsSpan(128), LogitRows.All)[^s_everything.Vocabulary..].ToArray());
    }

    [Theory]
    [InlineData(Precision.Bf16)]
    [InlineData(Precision.Fp32)]
    public void Products_WhatFillsNoChunk_IsDecodes(Precision precision)
    {
        using var decoder = Make("products", s_everything, precision);
        var ids = TestModels.Ids(140, s_everything.Vocabulary);
        Assert.Equal((0, 64, 128), (decoder.PrefilledTokens(63), decoder.PrefilledTokens(127), decoder.PrefilledTokens(140)));
        using var prefilled = decoder.CreateSequence();
        using var decoded = decoder.CreateSequence();
        using var managed = decoder.CreateSequence();
        var expected = decoder.Prefill(prefilled, ids).ToArray();
        decoder.Prefill(decoded, ids.AsSpan(0, 128));
        float[] logits = [];
        foreach (var id in ids[128..])
            logits = decoder.Decode(decoded, id).ToArray();
        Assert.Equal(expected, logits);

        // The chunks themselves are not: or nothing here would be seen.
        foreach (var id in ids)
            logits = decoder.Decode(managed, id).ToArray();
        Assert.NotEqual(expected, logits);
    }

    [Theory]
    [InlineData("managed", Precision.Fp32)]
    [InlineData("products", Precision.Bf16)]
    [InlineData("tensors", Precision.Bf16)]
    public void Hidden_ChunkByChunk_SameBitsAndTheCacheAsByPrefill(string backend, Precision precision)
    {
        using var decoder = Make(backend, s_everything, precision);
        var ids = TestModels.Ids(90, s_everything.Vocabulary);
        using var whole = decoder.CreateSequence();
        float[] expected = Rows(whole, decoder.PrefillChunk);
        Assert.Equal(ids.Length * s_everything.Width, expected.Length);
        if (backend != "products")
        {
            using var sequence = decoder.CreateSequence();
            Assert.Equal(expected, Rows(sequence, 7));
        }

        using var prefilled = decoder.CreateSequence();
        decoder.Prefill(prefilled, ids, LogitRows.None);
        Assert.Equal(decoder.Decode(prefilled, 5).ToArray(), decoder.Decode(whole, 5).ToArray());

        float[] Rows(DecodeSequence sequence, int piece)
        {
            List<float> rows = [];
            for (var t = 0; t < ids.Length; t += piece)
                rows.AddRange(decoder.Hidden(sequence, ids.AsSpan(t, Math.Min(piece, ids.Length - t))));
            return [.. rows];
        }
    }

    [Theory]
    [InlineData("products", Precision.Bf16)]
    [InlineData("tensors", Precision.Bf16)]
    [InlineData("tensors", Precision.Fp32)]
    public void Decode_BatchOfAnySize_SameBitsAsAlone(string backend, Precision precision)
    {
        var shape = TestModels.ShapeOf("wide") with { Context = 96 };
        using var decoder = Make(backend, shape, precision, 40 * 96);
        int[][] prompts = [.. Enumerable.Range(0, 37).Select(i => TestModels.Ids(1 + 7 * i % 70, shape.Vocabulary, (ulong)i))];
        float[][] alone = [.. prompts.Select((_, i) => Run([i])[0])];
        foreach (var size in (int[])[2, 3, 16, 17, 37])
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
            for (var step = 0; step < 2; step++)
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

    [Theory]
    [InlineData("products")]
    [InlineData("tensors")]
    public void Calls_BadArguments_ThrowAndChangeNothing(string backend)
    {
        var shape = TestModels.Small with { Context = 96 };
        using var decoder = Make(backend, shape, Precision.Bf16, 96);
        using var other = Make(backend, shape, Precision.Bf16);
        using var stranger = other.CreateSequence();
        using var one = decoder.CreateSequence();
        using var two = decoder.CreateSequence();
        Assert.Throws<ArgumentException>(() => { decoder.Prefill(one, []); });
        Assert.Throws<ArgumentException>(() => { decoder.Prefill(one, [0, 80]); });
        Assert.Throws<ArgumentException>(() => { decoder.Prefill(stranger, [1]); });
        Assert.Throws<ArgumentException>(() => { decoder.Hidden(one, [-1]); });
        Assert.Throws<ArgumentException>(() => { decoder.Decode(one, -1); });
        Assert.Throws<ArgumentException>(() => { decoder.Decode(stranger, 1); });
        Assert.Throws<ArgumentException>(() => { decoder.Decode([one, one], [1, 2]); });
        Assert.Throws<ArgumentException>(() => { decoder.Prefill(one, new int[97]); });
        Assert.Throws<ArgumentOutOfRangeException>(() => { decoder.Prefill(one, new int[decoder.PrefillChunk + 1], LogitRows.All); });
        decoder.Prefill(two, new int[80]);
        Assert.Throws<KvCacheFullException>(() => { decoder.Prefill(one, new int[17]); });
        decoder.Prefill(one, new int[16]);
        Assert.Throws<KvCacheFullException>(() => { decoder.Decode([one, two], [1, 2]); });
        Assert.Equal((16, 80, 0), (one.Length, two.Length, decoder.Cache.Free));
    }

    [Fact]
    public void Create_Kinds_TheBackendThatIsFastestHere()
    {
        Type Of(DecodeBackendKind kind, DecodePrecision precision, int context)
        {
            var layout = new ParameterLayout(TestModels.Small with { Context = context });
            using var backend = DecodeBackends.Create(kind, layout, TestModels.Parameters(layout), precision);
            return backend.GetType();
        }

        var products = MachineCalibration.BestPrecision == Precision.Bf16 ? typeof(TorchPrefillDecoder) : typeof(ManagedDecoder);
        Assert.Equal(products, Of(DecodeBackendKind.Auto, DecodePrecision.Bf16, 256));
        // No prompt has a whole chunk.
        Assert.Equal(typeof(ManagedDecoder), Of(DecodeBackendKind.Auto, DecodePrecision.Bf16, 128));
        Assert.Equal(typeof(ManagedDecoder), Of(DecodeBackendKind.Auto, DecodePrecision.Fp32, 256));
        Assert.Equal(typeof(ManagedDecoder), Of(DecodeBackendKind.Managed, DecodePrecision.Bf16, 256));
        Assert.Equal(typeof(TorchDecoder), Of(DecodeBackendKind.Torch, DecodePrecision.Fp32, 256));
    }

    /// <summary>A backend of either kind on the models of all tests here.</summary>
    internal static IDecodeBackend Make(string backend, ModelShape shape, Precision precision, int cacheTokens = 0)
    {
        var layout = new ParameterLayout(shape);
        var parameters = TestModels.Parameters(layout);
        ManagedDecoder Managed() => new(layout, parameters, precision == Precision.Bf16 ? DecodePrecision.Bf16 : DecodePrecision.Fp32, cacheTokens);
        return backend switch
        {
            "managed" => Managed(),
            "products" => new TorchPrefillDecoder(Managed(), layout, parameters, precision, chunk: 64),
            "tensors" => new TorchDecoder(layout, parameters, precision, cacheTokens),
            _ => throw new ArgumentOutOfRangeException(nameof(backend), backend, null),
        };
    }
}
