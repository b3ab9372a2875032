using Cluster.Contracts.Inference;
using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Shards;
using Cluster.Data.Tokens;
using Cluster.Inference.Quantization;
using Cluster.Inference.Sampling;
using Cluster.Model.Optimizer;
using Cluster.Model.Pruning;
using Cluster.Model.Training;
using Cluster.Silo.Inference;
using Cluster.Silo.Streamlining;
using Cluster.Silo.Tests.Inference;

namespace Cluster.Silo.Tests.Streamlining;

/// <summary>A tiny run with shards, quantised and pruned as a whole.</summary>
public sealed class StreamliningTests : IDisposable
{
    private static readonly Lazy<float[]> s_trained = new(Train);

    private readonly string _root = Directory.CreateTempSubdirectory("cluster-streamlining-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory]
    [InlineData(WeightFormat.Int8, 0.35)]
    [InlineData(WeightFormat.Int4Group, 0.35)]
    public void Quantize_WithinBound_PublishesWhatServingLoads(WeightFormat format, double share)
    {
        var folder = Run();
        var said = new List<string>();
        var result = RunQuantizer.Run(new QuantizeRequest(folder, QuantizationScheme.Of(format), format.Name, 200), said.Add, default);
        Assert.Equal($"tiny:{format.Name}", result.Model);
        Assert.InRange(result.SizeShare, 0.1, share);
        Assert.InRange(result.GrowthPercent, -5, 200);
        Assert.True(result.Manifest.Figures.BitsPerByteBefore > 1);
        Assert.True(result.Manifest.CalibrationTokens >= 2_048);
        Assert.Contains(said, line => line.Contains("calibrating", StringComparison.Ordinal));

        // Served by name, generated from, and told apart from the run itself.
        Assert.Equal(["tiny", $"tiny:{format.Name}"], ServedModel.Below(_root).Select(m => m.Name));
        var served = ServedModel.Find(_root, $"tiny:{format.Name}")!;
        var (model, _) = ModelIndexGrain.Describe(served, served.Name);
        Assert.Equal(result.Manifest.File.Sha256, model!.Weights);
        using var quantized = RunModel.Open(folder, _ => { }, quantized: format.Name);
        Assert.Equal(result.Manifest.File.Sha256, quantized.Weights.Sha256);
        var ids = Write(quantized);
        Assert.Equal(ids, Write(quantized));
        Assert.Equal(24, ids.Length);
    }

    [Fact]
    public void Quantize_Twice_SameBytes()
    {
        var folder = Run();
        string Once(string name) => RunQuantizer.Run(new QuantizeRequest(folder, QuantizationScheme.Of(WeightFormat.Int8Group), name, 100), _ => { }, default).Manifest.File.Sha256;
        Assert.Equal(Once("a"), Once("b"));
    }

    // A weight so large that its row's scale leaves nothing of the others, at an input that is always zero: fp32 knows nothing of it.
    [Fact]
    public void Quantize_BeyondBound_RefusesAndLeavesTheEarlier()
    {
        var folder = Run((layout, parameters) =>
        {
            for (var layer = 0; layer < 2; layer++)
            {
                Parameter up = layout[$"blocks.{layer}.feed_forward.up.weight"], down = layout[$"blocks.{layer}.feed_forward.down.weight"];
                parameters.AsSpan((int)up.Offset, up.Columns).Clear();
                for (var row = 0; row < down.Rows; row++)
                    parameters[down.Offset + row * down.Columns] = 1e4f;
            }
        });
        var first = RunQuantizer.Run(new QuantizeRequest(folder, QuantizationScheme.Of(WeightFormat.Int8), "small", 1_000), _ => { }, default);
        Assert.True(first.GrowthPercent > 2, $"{first.GrowthPercent} %");
        var error = Assert.Throws<UserErrorException>(() =>
            RunQuantizer.Run(new QuantizeRequest(folder, QuantizationScheme.Of(WeightFormat.Int8), "small", 1), _ => { }, default));
        Assert.Contains("more bits per byte", error.What);
        Assert.Contains("Nothing was published", error.Message);
        Assert.Equal(first.Manifest.ManifestSha256, QuantizedModelFolder.ReadManifest(folder.Quantized("small")).ManifestSha256);
        Assert.Equal(["small"], folder.QuantizedNames());
    }

    [Theory]
    [InlineData("a/b", 1.0, "--name")]
    [InlineData("..", 1.0, "--name")]
    [InlineData("x.writing", 1.0, "--name")]
    [InlineData("x", 0.0, "--bound")]
    [InlineData("x", double.NaN, "--bound")]
    public void Quantize_BadRequest_NamesTheOption(string name, double bound, string option)
    {
        var folder = Run();
        var error = Assert.Throws<UserErrorException>(() => RunQuantizer.Run(new QuantizeRequest(folder, QuantizationScheme.Of(WeightFormat.Int8), name, bound), _ => { }, default));
        Assert.StartsWith(option, error.What);
        Assert.Empty(folder.QuantizedNames());
    }

    [Theory]
    [InlineData("tiny:none")]
    [InlineData("tiny:")]
    [InlineData(":int8")]
    [InlineData("tiny:../x")]
    [InlineData("none:int8")]
    public void Find_NameOfNothing_IsNull(string name)
    {
        Run();
        Assert.Null(ServedModel.Find(_root, name));
    }

    [Fact]
    public void Describe_QuantisedModelDamaged_SaysSo()
    {
        var folder = Run();
        RunQuantizer.Run(new QuantizeRequest(folder, QuantizationScheme.Of(WeightFormat.Int8), "int8", 100), _ => { }, default);
        File.WriteAllText(Path.Combine(folder.Quantized("int8"), "manifest.json"), "{}");
        var (model, refusal) = ModelIndexGrain.Describe(ServedModel.Find(_root, "tiny:int8"), "tiny:int8");
        Assert.Null(model);
        Assert.Equal(RefusalKind.Unavailable, refusal!.Kind);
    }

    [Theory]
    [InlineData(PruningCriterion.Magnitude, 0)]
    [InlineData(PruningCriterion.Sensitivity, 0)]
    [InlineData(PruningCriterion.Sensitivity, 12)]
    public void Prune_HeadsAndNeurons_SmallerRunThatGeneratesAndQuantises(PruningCriterion criterion, int steps)
    {
        var folder = Run();
        var pruned = new RunFolder(Path.Combine(_root, "pruned"));
        var result = RunPruner.Run(Request(folder, pruned) with { Criterion = criterion, Steps = steps }, _ => { }, default);
        Assert.Equal((2, 1, 128, 64), (result.HeadsBefore, result.Heads, result.NeuronsBefore, result.Neurons));
        Assert.True(result.Bytes < 0.75 * result.BytesBefore);
        var shape = RecipeJson.Parse(File.ReadAllText(pruned.Recipe), pruned.Recipe).Model;
        Assert.Equal((1, 64), (shape.Heads, shape.FeedForward));
        using (var model = RunModel.Open(pruned, _ => { }))
        {
            Assert.Equal(result.WeightsSha256, model.Weights.Sha256);
            Assert.Equal(24, Write(model).Length);
        }

        Assert.NotNull(ServedModel.Find(_root, "pruned"));
        var again = RunQuantizer.Run(new QuantizeRequest(pruned, QuantizationScheme.Of(WeightFormat.Int8), "int8", 100), _ => { }, default);
        Assert.Equal(result.BitsPerByte, again.Manifest.Figures.BitsPerByteBefore, 12);
    }

    [Fact]
    public void Prune_MagnitudeWithTraining_ZerosStayZeroAndResultRepeats()
    {
        var folder = Run();
        string Once(string name)
        {
            var result = RunPruner.Run(Request(folder, new RunFolder(Path.Combine(_root, name))) with { Heads = 0, Neurons = 0, Magnitude = 0.6, Steps = 10 }, _ => { }, default);
            Assert.InRange(result.ZeroShare, 0.599, 0.601);
            Assert.Equal(result.BytesBefore, result.Bytes);
            return result.WeightsSha256;
        }

        Assert.Equal(Once("a"), Once("b"));
    }

    [Fact]
    public void Prune_BeyondBound_WritesNothing()
    {
        var folder = Run();
        var pruned = new RunFolder(Path.Combine(_root, "pruned"));
        var error = Assert.Throws<UserErrorException>(() => RunPruner.Run(Request(folder, pruned) with { BoundPercent = 1e-9, Magnitude = 0.9 }, _ => { }, default));
        Assert.Contains("more bits per byte", error.What);
        Assert.Equal(["tiny"], Directory.GetFileSystemEntries(_root).Select(Path.GetFileName));
    }

    [Fact]
    public void Prune_BadRequest_NamesTheOption()
    {
        var folder = Run();
        var pruned = new RunFolder(Path.Combine(_root, "pruned"));
        Assert.StartsWith("--heads", Fails(Request(folder, pruned) with { Heads = 1 }).What);
        Assert.StartsWith("--neurons", Fails(Request(folder, pruned) with { Neurons = double.NaN }).What);
        Assert.StartsWith("Nothing is to go", Fails(Request(folder, pruned) with { Heads = 0.1, Neurons = 0.01 }).What);
        Assert.Contains("is there already", Fails(Request(folder, folder)).What);
        Assert.False(Directory.Exists(pruned.Path));

        static UserErrorException Fails(PruneRequest request) => Assert.Throws<UserErrorException>(() => RunPruner.Run(request, _ => { }, default));
    }

    private static PruneRequest Request(RunFolder folder, RunFolder to) =>
        new(folder, to, 0.5, 0.5, 0, MagnitudeScope.Layer, PruningCriterion.Magnitude, 0, 10_000);

    private static int[] Write(RunModel model)
    {
        var reply = model.Write("Once", new GenerationOptions { MaxTokens = 24, Temperature = 0, StopTokens = [] });
        foreach (var _ in reply)
        {
        }

        return [.. reply.Ids];
    }

    /// <summary>Text that repeats itself, with errors.</summary>
    private static int[] Text()
    {
        var random = new CounterRandom(1, RandomPurpose.Synthetic, 0);
        return [.. Enumerable.Range(0, 8_000).Select(i => random.Below((ulong)i, 8) == 0 ? (int)random.Below((ulong)i + 50_000, 200) : 97 + i % 7)];
    }

    /// <summary>Trained far enough that what takes precision or parts from the model is seen in its loss.</summary>
    private static float[] Train()
    {
        var shape = new ModelShape { Layers = 2, Width = 32, Heads = 2, Context = 32, MaxContext = 256, Vocabulary = BytePairTokenizer.OfBytes().VocabularySize }.Resolved();
        using var engine = new TrainingEngine(new EngineOptions(shape, Precision.Fp32, 256, new AdamWOptions()), 1);
        var ids = Text();
        var gradient = new float[engine.Length];
        byte[] mask = [.. Enumerable.Repeat((byte)1, 256)];
        for (var step = 1; step <= 90; step++)
        {
            var at = step * 37 % 7_000;
            engine.Gradient(new MicroBatch(ids[at..(at + 256)], ids[(at + 1)..(at + 257)], mask, 32), 1.0 / 256, gradient, add: false);
            engine.Apply(gradient, TrainingEngine.Norm(gradient), 5e-3, step);
        }

        return engine.Parameters.ToArray();
    }

    /// <summary>TinyRun's, with shards of text.</summary>
    private RunFolder Run(Action<ParameterLayout, float[]>? plant = null)
    {
        TinyRun.Write(_root, "tiny");
        var folder = new RunFolder(Path.Combine(_root, "tiny"));
        var recipe = RecipeJson.Parse(File.ReadAllText(folder.Recipe), folder.Recipe);
        recipe = recipe with { Training = recipe.Training with { Steps = 100, Lanes = 2, MicroBatch = 2, EvaluationTokens = 1_024 } };
        var layout = new ParameterLayout(recipe.Model);
        float[] parameters = [.. s_trained.Value], moments = new float[layout.TotalCount];
        plant?.Invoke(layout, parameters);
        File.WriteAllText(folder.Recipe, RecipeJson.Indented(recipe));
        new CheckpointStore(folder.Checkpoints(StageNames.Pretraining), 3).Save(
            new CheckpointState(StageNames.Pretraining, 5, 100, 1, RecipeJson.Hash(recipe), null, 0), layout, parameters, moments, moments);
        foreach (var dataset in (string[])[Datasets.Train, Datasets.TrainBest, Datasets.Validation])
        {
            using var writer = new ShardWriter(folder.Dataset(dataset), ShardLayout.Stream, recipe.Model.Vocabulary, "synthetic");
            writer.Append(Text());
            writer.Complete();
        }

        return folder;
    }
}
