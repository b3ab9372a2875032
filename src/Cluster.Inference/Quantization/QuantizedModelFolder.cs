// Enters: a quantised model and what is known of it. Leaves: a folder, and the model again. Does not know: runs, how anything was measured.
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Models;
using Cluster.Core.Runs;

namespace Cluster.Inference.Quantization;

/// <summary>What was measured of a model before and after; a figure is null where it was not measured.</summary>
/// <param name="BytesBefore">Of the tensors in fp32.</param>
/// <param name="Bytes">Of the file.</param>
/// <param name="BitsPerByteBefore">In fp32, on the run's validation text.</param>
/// <param name="BitsPerByte">Quantised, on the same text.</param>
/// <param name="DialogueBitsPerByteBefore">In fp32, on the answers of the validation conversations.</param>
/// <param name="DialogueBitsPerByte">Quantised, on the same answers.</param>
/// <param name="TokensPerSecondBefore">Decoded alone in fp32, in the same process.</param>
/// <param name="TokensPerSecond">Decoded alone, quantised.</param>
public sealed record QuantizedFigures(
    long BytesBefore,
    long Bytes,
    double BitsPerByteBefore,
    double BitsPerByte,
    double? DialogueBitsPerByteBefore,
    double? DialogueBitsPerByte,
    double TokensPerSecondBefore,
    double TokensPerSecond);

/// <summary>What <c>manifest.json</c> says of a quantised model; hashes are lower-case hex.</summary>
public sealed record QuantizedManifest
{
    /// <summary>The format that this code writes and reads.</summary>
    public const int CurrentVersion = 1;

    /// <summary>Of the folder's format.</summary>
    public required int Version { get; init; }

    /// <summary>The training stage whose checkpoint was quantised, one of <see cref="StageNames"/>.</summary>
    public required string Stage { get; init; }

    /// <summary>The checkpoint's step.</summary>
    public required long Step { get; init; }

    /// <summary>Of the checkpoint's weights.</summary>
    public required string CheckpointSha256 { get; init; }

    /// <summary>Of the run's recipe.</summary>
    public required string RecipeSha256 { get; init; }

    /// <summary>The model's shape.</summary>
    public required ModelShape Shape { get; init; }

    /// <summary>Which part has which format.</summary>
    public required QuantizationScheme Scheme { get; init; }

    /// <summary>How scales were chosen, for people.</summary>
    public required string Calibration { get; init; }

    /// <summary>Tokens of calibration text.</summary>
    public required long CalibrationTokens { get; init; }

    /// <summary>Largest growth of bits per byte that publishing allowed, in per cent.</summary>
    public required double BoundPercent { get; init; }

    /// <summary>What was measured.</summary>
    public required QuantizedFigures Figures { get; init; }

    /// <summary>The tensor file; its hash names the model's weights.</summary>
    public required CheckpointFile File { get; init; }

    /// <summary>SHA-256 of this manifest's one-line JSON with this field empty.</summary>
    public required string ManifestSha256 { get; init; }

    internal QuantizedManifest Sealed()
    {
        var open = this with { ManifestSha256 = "" };
        return open with { ManifestSha256 = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(RunJson.Line(open)))) };
    }
}

/// <summary>A folder of <c>weights.safetensors</c> (codes under the parameters' names, their scales under name.scale) and <c>manifest.json</c>.</summary>
public static class QuantizedModelFolder
{
    private const string WeightsFile = "weights.safetensors";
    private const string ManifestFile = "manifest.json";
    private const string ScaleSuffix = ".scale";
    private const string Remedy = "Quantise the run again: `cluster model quantize`.";

    /// <summary>Bytes that the tensor file of a model takes, its header left out.</summary>
    public static long TensorBytes(ParameterLayout layout, QuantizationScheme scheme) =>
        layout.Parameters.Sum(p => scheme.FormatOf(p)?.BytesOf(p.Rows, p.Columns) ?? p.Count * sizeof(float));

    /// <summary>Writes a model; a folder of that path is replaced once the new one is whole.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="model">The model.</param>
    /// <param name="describe">Makes the manifest of the file that was written, its own hash empty.</param>
    /// <exception cref="UserErrorException">It cannot be written; what was there is as it was.</exception>
    public static QuantizedManifest Save(string path, QuantizedModel model, Func<CheckpointFile, QuantizedManifest> describe)
    {
        QuantizedManifest? manifest = null;
        try
        {
            AtomicFolder.Write(path, aside =>
            {
                using var weights = Safetensors.Create(Path.Combine(aside, WeightsFile), Shapes(model.Layout, model.Scheme));
                foreach (var p in model.Layout.Parameters)
                {
                    if (model.Matrices.TryGetValue(p.Name, out var matrix))
                    {
                        weights.WriteBytes(p.Name, matrix.Codes);
                        weights.WriteBytes(p.Name + ScaleSuffix, MemoryMarshal.AsBytes<ushort>(matrix.Scales));
                    }
                    else
                    {
                        weights.Write(p.Name, model.Vectors[p.Name]);
                    }
                }

                manifest = describe(weights.Complete()).Sealed();
                AtomicWrite.AllText(Path.Combine(aside, ManifestFile), RunJson.Document(manifest) + "\n");
            });
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The quantised model {path} cannot be written: {e.Message}", "Check that the folder is writable and the disk has space.", e);
        }

        return manifest!;
    }

    /// <summary>What a folder says of itself; its tensors are not looked at.</summary>
    /// <exception cref="UserErrorException">There is none, or it is damaged.</exception>
    public static QuantizedManifest ReadManifest(string path)
    {
        var file = Path.Combine(AtomicFolder.Find(path) ?? path, ManifestFile);
        string json;
        try
        {
            json = File.ReadAllText(file);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{file} cannot be read ({e.Message.TrimEnd('.')}).", Remedy, e);
        }

        var manifest = RunJson.Parse<QuantizedManifest>(json, file);
        if (manifest.Version != QuantizedManifest.CurrentVersion)
            throw new UserErrorException($"{file} has version {manifest.Version}, {QuantizedManifest.CurrentVersion} can be read.", Remedy);
        if (manifest.Sealed().ManifestSha256 != manifest.ManifestSha256)
            throw new UserErrorException($"{file} does not match its SHA-256.", Remedy);
        if (manifest.File.Name != WeightsFile)
            throw new UserErrorException($"{file} lists another file than {WeightsFile}.", Remedy);
        return manifest;
    }

    /// <summary>Reads a model and checks it against its manifest's hash.</summary>
    /// <exception cref="UserErrorException">A file is missing or damaged.</exception>
    public static QuantizedModel Load(string path, QuantizedManifest manifest)
    {
        var file = Path.Combine(AtomicFolder.Find(path) ?? path, WeightsFile);
        Verify(file, manifest.File);
        manifest.Shape.Validate();
        var layout = new ParameterLayout(manifest.Shape);
        var scheme = manifest.Scheme;
        using var weights = Safetensors.Open(file);
        var expected = Shapes(layout, scheme);
        if (expected.FirstOrDefault(t => weights.Find(t.Name) is not { } found || found.Type != t.Type || !found.Shape.SequenceEqual(t.Shape)) is { } missing)
            throw new UserErrorException($"{file} has no tensor {missing.Name} of {missing.Type} [{string.Join(", ", missing.Shape)}].", Remedy);
        if (weights.Tensors.Count != expected.Count)
            throw new UserErrorException($"{file} has {weights.Tensors.Count} tensors and not {expected.Count}.", Remedy);
        var matrices = new Dictionary<string, QuantizedMatrix>(StringComparer.Ordinal);
        var vectors = new Dictionary<string, float[]>(StringComparer.Ordinal);
        foreach (var p in layout.Parameters)
        {
            if (scheme.FormatOf(p) is { } format)
            {
                var codes = new byte[p.Count * format.Bits / 8];
                var scales = new ushort[p.Rows * format.GroupsOf(p.Columns)];
                weights.ReadBytes(p.Name, TypeOf(format), codes);
                weights.ReadBytes(p.Name + ScaleSuffix, "BF16", MemoryMarshal.AsBytes(scales.AsSpan()));
                matrices.Add(p.Name, new QuantizedMatrix(format, p.Rows, p.Columns, codes, scales));
            }
            else
            {
                var values = new float[p.Count];
                weights.Read(p.Name, values);
                vectors.Add(p.Name, values);
            }
        }

        return new QuantizedModel(layout, scheme, matrices, vectors);
    }

    private static string TypeOf(WeightFormat format) => format.Bits == 8 ? "I8" : "U8";

    private static IReadOnlyList<TensorShape> Shapes(ParameterLayout layout, QuantizationScheme scheme) =>
    [
        .. layout.Parameters.SelectMany(p => scheme.FormatOf(p) is { } format
            ? (TensorShape[])
            [
                new(p.Name, [p.Rows, (long)p.Columns * format.Bits / 8], TypeOf(format)),
                new(p.Name + ScaleSuffix, [p.Rows, format.GroupsOf(p.Columns)], "BF16"),
            ]
            : [new(p.Name, p.Shape)]),
    ];

    private static void Verify(string path, CheckpointFile expected)
    {
        try
        {
            using var file = File.OpenRead(path);
            if (file.Length != expected.Bytes)
                throw new UserErrorException($"{path} has {file.Length} bytes, {expected.Bytes} were written.", Remedy);
            if (Convert.ToHexStringLower(SHA256.HashData(file)) != expected.Sha256)
                throw new UserErrorException($"{path} does not match its SHA-256.", Remedy);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{path} cannot be read ({e.Message.TrimEnd('.')}).", Remedy, e);
        }
    }
}
