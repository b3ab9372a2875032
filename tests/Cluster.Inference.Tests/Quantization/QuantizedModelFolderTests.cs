using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Inference.Managed;
using Cluster.Inference.Quantization;

namespace Cluster.Inference.Tests.Quantization;

public sealed class QuantizedModelFolderTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("cluster-quantized-").FullName;

    private string Folder => Path.Combine(_root, "quantized", "int8");

    private string Weights => Path.Combine(Folder, "weights.safetensors");

    private string Manifest => Path.Combine(Folder, "manifest.json");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Theory]
    [InlineData("everything", WeightFormat.Int8)]
    [InlineData("learned", WeightFormat.Int8Group)]
    [InlineData("wide", WeightFormat.Int4Group)]
    public void Load_Saved_SameLogits(string name, WeightFormat format)
    {
        var model = QuantizedDecoderTests.Model(TestModels.ShapeOf(name), format, ActivationFormat.Int8, CacheFormat.Int8);
        var saved = Save(model);
        var manifest = QuantizedModelFolder.ReadManifest(Folder);
        Assert.Equal(saved, manifest with { Shape = saved.Shape });
        var loaded = QuantizedModelFolder.Load(Folder, manifest);
        using var before = new ManagedDecoder(model);
        using var after = new ManagedDecoder(loaded);
        var ids = TestModels.Ids(20, model.Layout.Shape.Vocabulary);
        Assert.Equal(QuantizedDecoderTests.Alone(before, ids), QuantizedDecoderTests.Alone(after, ids));
    }

    [Theory]
    [InlineData(WeightFormat.Int8, 0.27)]
    [InlineData(WeightFormat.Int8Group, 0.29)]
    [InlineData(WeightFormat.Int4Group, 0.19)]
    public void TensorBytes_OfShapeM_IsUnderBoundOfFp32(WeightFormat format, double bound)
    {
        var layout = new ParameterLayout(new ModelShape { Layers = 12, Width = 768, Heads = 12, Vocabulary = 50_304, Activation = Activation.Gelu });
        Assert.InRange((double)QuantizedModelFolder.TensorBytes(layout, QuantizationScheme.Of(format)) / (layout.ParameterCount * 4), bound - 0.05, bound);
    }

    [Fact]
    public void Load_FileDamaged_NamesIt()
    {
        Save(Small());
        var manifest = QuantizedModelFolder.ReadManifest(Folder);
        var whole = File.ReadAllBytes(Weights);
        var bytes = whole.ToArray();
        bytes[^9] ^= 1;
        File.WriteAllBytes(Weights, bytes);
        Assert.Contains("does not match its SHA-256", Assert.Throws<UserErrorException>(() => QuantizedModelFolder.Load(Folder, manifest)).What);
        File.WriteAllBytes(Weights, whole[..^1]);
        Assert.Contains("bytes", Assert.Throws<UserErrorException>(() => QuantizedModelFolder.Load(Folder, manifest)).What);
        File.Delete(Weights);
        Assert.Contains("cannot be read", Assert.Throws<UserErrorException>(() => QuantizedModelFolder.Load(Folder, manifest)).What);
    }

    [Theory]
    [InlineData("\"step\": 7", "\"step\": 8", "does not match its SHA-256")]
    [InlineData("\"version\": 1", "\"version\": 2", "version 2")]
    [InlineData("{", "", "cannot be read")]
    public void ReadManifest_Changed_Refuses(string from, string to, string why)
    {
        Save(Small());
        var text = File.ReadAllText(Manifest);
        var at = text.IndexOf(from, StringComparison.Ordinal);
        File.WriteAllText(Manifest, text[..at] + to + text[(at + from.Length)..]);
        Assert.Contains(why, Assert.Throws<UserErrorException>(() => QuantizedModelFolder.ReadManifest(Folder)).What);
    }

    [Fact]
    public void ReadManifest_NoFolder_SaysHowToMakeOne() =>
        Assert.Contains("model quantize", Assert.Throws<UserErrorException>(() => QuantizedModelFolder.ReadManifest(Folder)).Message);

    [Fact]
    public void Save_Again_ReplacesAndLeavesNothingBeside()
    {
        Save(Small());
        var second = Save(QuantizedDecoderTests.Model(TestModels.Small, WeightFormat.Int4Group, ActivationFormat.Fp32, CacheFormat.Bf16));
        Assert.Equal(second.ManifestSha256, QuantizedModelFolder.ReadManifest(Folder).ManifestSha256);
        Assert.Equal(["int8"], Directory.GetFileSystemEntries(Path.GetDirectoryName(Folder)!).Select(Path.GetFileName));
    }

    [Fact]
    public void Save_FailsOnTheWay_EarlierIsIntact()
    {
        var first = Save(Small());
        Assert.Throws<InvalidOperationException>(() => QuantizedModelFolder.Save(Folder, Small(), _ => throw new InvalidOperationException()));
        Assert.Equal(first.ManifestSha256, QuantizedModelFolder.ReadManifest(Folder).ManifestSha256);
        QuantizedModelFolder.Load(Folder, QuantizedModelFolder.ReadManifest(Folder));
    }

    // The moment between the two renames of a replacement, at which a process may die.
    [Fact]
    public void ReadManifest_ReplacementCutShort_FindsTheEarlier()
    {
        var first = Save(Small());
        Directory.Move(Folder, Folder + ".replaced");
        var manifest = QuantizedModelFolder.ReadManifest(Folder);
        Assert.Equal(first.ManifestSha256, manifest.ManifestSha256);
        QuantizedModelFolder.Load(Folder, manifest);
    }

    private static QuantizedModel Small() => QuantizedDecoderTests.Model(TestModels.Small, WeightFormat.Int8, ActivationFormat.Int8, CacheFormat.Fp32);

    private QuantizedManifest Save(QuantizedModel model) => QuantizedModelFolder.Save(Folder, model, file => new QuantizedManifest
    {
        Version = QuantizedManifest.CurrentVersion,
        Stage = "pretraining",
        Step = 7,
        CheckpointSha256 = "ab",
        RecipeSha256 = "cd",
        Shape = model.Layout.Shape,
        Scheme = model.Scheme,
        Calibration = "none",
        CalibrationTokens = 0,
        BoundPercent = 1,
        Figures = new QuantizedFigures(4, 1, 1, 1.001, null, null, 10, 20),
        File = file,
        ManifestSha256 = "",
    });
}
