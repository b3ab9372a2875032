using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Inference.Graph;
using Cluster.Inference.Graph.Passes;
using Cluster.Inference.Kernels;
using Cluster.Inference.Managed;

namespace Cluster.Inference.Tests.Graph;

public class GraphPassesTests
{
    /// <summary>Logits of these models are of order 1 to 10.</summary>
    private const float Tolerance = 1e-4f;

    private static readonly string[] s_names = [.. GraphPasses.All.Select(pass => pass.Name)];

    public static TheoryData<string> Shapes()
    {
        var shapes = TestModels.Shapes();
        shapes.Add("swiglu, biases, rotary, grouped");
        return shapes;
    }

    /// <summary>Every subset of the passes, by the bits of a number.</summary>
    private static IEnumerable<string[]> Subsets() =>
        Enumerable.Range(0, 1 << s_names.Length).Select(bits => s_names.Where((_, i) => (bits >> i & 1) != 0).ToArray());

    [Theory]
    [MemberData(nameof(Shapes))]
    public void EverySubset_LogitsAsUnoptimised(string name)
    {
        var shape = ShapeOf(name);
        var ids = TestModels.Ids(21, shape.Vocabulary);
        var expected = Logits(s_names);
        Assert.True(expected.Max(Math.Abs) > 1);
        var different = 0;
        foreach (var without in Subsets())
        {
            var logits = Logits(without);
            for (var i = 0; i < logits.Length; i++)
                Assert.True(Math.Abs(logits[i] - expected[i]) <= Tolerance, $"without {string.Join(", ", without)}: {logits[i]} for {expected[i]}");
            different += logits.SequenceEqual(expected) ? 0 : 1;
        }

        Assert.True(different >= 32, $"only {different} subsets round otherwise: is any pass applied?");

        float[] Logits(string[] without)
        {
            using var decoder = Decoder(shape, without: without);
            using var sequence = decoder.CreateSequence();
            var prompt = decoder.Prefill(sequence, ids.AsSpan(0, 18), LogitRows.All).ToArray();
            return [.. prompt, .. decoder.Decode(sequence, ids[18]), .. decoder.Decode(sequence, ids[19])];
        }
    }

    [Theory]
    [InlineData("everything")]
    [InlineData("swiglu, biases, rotary, grouped")]
    public void EverySubset_BatchThreadsAndChunks_SameBits(string name)
    {
        var shape = ShapeOf(name);
        // All subsets of one shape; of the other, each pass alone and each missing.
        foreach (var without in Subsets().Where(without => name == "everything" || without.Length is <= 1 || without.Length >= s_names.Length - 1))
        {
            float[]? alone = null;
            foreach (var threads in (int[])[1, 2, 3])
            {
                using var decoder = Decoder(shape, threads, without);
                Assert.Equal(threads, decoder.Threads);
                alone ??= Rows(decoder, batch: 1, chunk: 30);
                foreach (var (batch, chunk) in threads == 1 ? [(1, 7), (9, 1), (17, 30)] : ((int, int)[])[(1, 30), (5, 30)])
                    Assert.True(alone.AsSpan().SequenceEqual(Rows(decoder, batch, chunk)), $"{threads} threads, batch of {batch}, chunks of {chunk}, without {string.Join(", ", without)}");
            }
        }
    }

    [Theory]
    [InlineData(DecodePrecision.Fp32, 1)]
    [InlineData(DecodePrecision.Bf16, 1)]
    [InlineData(DecodePrecision.Bf16, 2)]
    [InlineData(DecodePrecision.Bf16, 3)]
    public void Wide_AnyBatchAndThreads_SameBits(DecodePrecision precision, int threads)
    {
        var shape = TestModels.ShapeOf("wide");
        using var one = Decoder(shape, precision: precision);
        using var decoder = Decoder(shape, threads, precision: precision);
        var alone = Rows(one, 1, 30);
        for (var batch = 1; batch <= 32; batch++)
            Assert.True(alone.AsSpan().SequenceEqual(Rows(decoder, batch, 30)), $"a batch of {batch}");
    }

    /// <summary>The planted fault: what the checks above would overlook if they could not fail.</summary>
    [Fact]
    public void KernelSumsInAnotherOrderForBatchesAbove4_IsCaught()
    {
        using var decoder = new ManagedDecoder(new ParameterLayout(TestModels.Small), TestModels.Parameters(new ParameterLayout(TestModels.Small)), new FaultyFormat());
        var alone = Rows(decoder, 1, 4);
        Assert.Equal(alone, Rows(decoder, 4, 4));
        Assert.NotEqual(alone, Rows(decoder, 5, 4));
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Decoder_RunsTheGraphThatIsPrinted(string name)
    {
        var shape = ShapeOf(name);
        foreach (var without in (string[][])[[], ["fuse-product", "remove-dead"], s_names])
        {
            using var decoder = Decoder(shape, without: without);
            var graph = GraphPasses.Optimise(GraphBuilder.Build(new ParameterLayout(shape)), without);
            Assert.Equal(graph.Nodes.Where(node => node.Op != GraphOp.Slice).Select(node => node.Name), decoder.Steps);
        }
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Optimise_AllPasses_NothingLeftToFuse(string name)
    {
        var graph = GraphPasses.Optimise(GraphBuilder.Build(new ParameterLayout(ShapeOf(name))), []);
        GraphOp[] expected =
        [
            GraphOp.Embedding, GraphOp.PositionRow, GraphOp.Normalise, GraphOp.Product, GraphOp.Slice, GraphOp.Attention, GraphOp.ResidualNorm,
        ];
        Assert.All(graph.Nodes, node => Assert.Contains(node.Op, expected));
        Assert.Equal(4 * 2 + 1, graph.Nodes.Count(node => node.Op == GraphOp.Product));
        Assert.Equal(graph.Nodes.Select(node => node.Name), graph.Nodes.Where(node => graph.Live().Contains(node.Name)).Select(node => node.Name));
        // The same again: a pass is a function.
        var again = GraphPasses.Optimise(GraphBuilder.Build(new ParameterLayout(ShapeOf(name))), []);
        Assert.Equal(graph.Nodes.Select(node => $"{node.Name} {node.Op} {string.Join(' ', node.Inputs)} {node.Weight} {node.Bias}"),
            again.Nodes.Select(node => $"{node.Name} {node.Op} {string.Join(' ', node.Inputs)} {node.Weight} {node.Bias}"));
    }

    [Fact]
    public void Optimise_UnknownName_IsRefused()
    {
        var graph = GraphBuilder.Build(new ParameterLayout(TestModels.Small));
        Assert.Contains("fuse-qvk", Assert.Throws<UserErrorException>(() => GraphPasses.Optimise(graph, ["fuse-qvk"])).Message, StringComparison.Ordinal);
    }

    /// <summary>A batch whose first member is always the same; its logits. The others have other lengths and tokens.</summary>
    private static float[] Rows(ManagedDecoder decoder, int batch, int chunk)
    {
        var vocabulary = decoder.Shape.Vocabulary;
        DecodeSequence[] sequences = [.. Enumerable.Range(0, batch).Select(_ => decoder.CreateSequence())];
        // The first member is not the first row: its place must not matter either.
        var place = batch / 2;
        for (var i = 0; i < batch; i++)
        {
            ReadOnlySpan<int> prompt = i == place ? TestModels.Ids(30, vocabulary) : TestModels.Ids(1 + 11 * i % 40, vocabulary, (ulong)i + 1);
            for (; !prompt.IsEmpty; prompt = prompt[Math.Min(chunk, prompt.Length)..])
                decoder.Prefill(sequences[i], prompt[..Math.Min(chunk, prompt.Length)], LogitRows.None);
        }

        List<float> rows = [];
        for (var step = 0; step < 2; step++)
        {
            int[] ids = [.. Enumerable.Range(0, batch).Select(i => i == place ? 7 + step : (i + 3 * step) % vocabulary)];
            rows.AddRange(decoder.Decode(sequences, ids).Slice(place * vocabulary, vocabulary));
        }

        foreach (var sequence in sequences)
            sequence.Dispose();
        return [.. rows];
    }

    private static ManagedDecoder Decoder(ModelShape shape, int threads = 1, string[]? without = null, DecodePrecision precision = DecodePrecision.Fp32)
    {
        var layout = new ParameterLayout(shape);
        return new ManagedDecoder(layout, TestModels.Parameters(layout), PanelFormat.Of(precision), 33 * TestModels.Context, threads, without);
    }

    private static ModelShape ShapeOf(string name) => name == "swiglu, biases, rotary, grouped"
        ? TestModels.ShapeOf("everything") with { Activation = Activation.Swiglu, Norm = Normalization.LayerNorm, TiedHead = true, FeedForward = 48 }
        : TestModels.ShapeOf(name);

    private sealed unsafe class FaultyFormat : PanelFormat
    {
        private readonly PanelFormat _right = Of(DecodePrecision.Fp32);

        public override long Bytes(int outputs, int inputs) => _right.Bytes(outputs, inputs);

        public override PanelMatrix Pack(ReadOnlySpan<float> weights, int outputs, int inputs, void* memory) =>
            new Matrix(_right.Pack(weights, outputs, inputs, memory), weights.ToArray());

        private sealed class Matrix(PanelMatrix right, float[] weights) : PanelMatrix(right.Outputs, right.Inputs)
        {
            public override long Bytes => right.Bytes;

            public override void Multiply(float* x, byte* prepared, float* y, int rows, int firstPanel, int panelCount)
            {
                if (rows <= 4)
                {
                    right.Multiply(x, prepared, y, rows, firstPanel, panelCount);
                    return;
                }

                for (var r = 0; r < rows; r++)
                {
                    for (var o = firstPanel * Panel; o < Math.Min(Outputs, (firstPanel + panelCount) * Panel); o++)
                    {
                        var sum = 0f;
                        for (var i = Inputs - 1; i >= 0; i--)
                            sum = MathF.FusedMultiplyAdd(x[r * Inputs + i], weights[o * Inputs + i], sum);
                        y[r * Outputs + o] = sum;
                    }
                }
            }
        }
    }
}
