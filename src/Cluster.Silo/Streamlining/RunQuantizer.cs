// Enters: a run and a scheme. Leaves: a quantised model below the run, or the reason why there is none. Does not know: how codes are chosen.
using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Runs;
using Cluster.Inference.Managed;
using Cluster.Inference.Quantization;
using Cluster.Silo.Inference;

namespace Cluster.Silo.Streamlining;

/// <summary>What to quantise, and how.</summary>
/// <param name="Folder">The run's.</param>
/// <param name="Scheme">Which part gets which format.</param>
/// <param name="Name">Of the quantised model below the run.</param>
/// <param name="BoundPercent">Largest growth of bits per byte, above 0.</param>
/// <param name="Threads">Threads that compute; they change no bit.</param>
public sealed record QuantizeRequest(RunFolder Folder, QuantizationScheme Scheme, string Name, double BoundPercent, int Threads = 1);

/// <summary>What was published.</summary>
/// <param name="Model">Run and name, as it is served.</param>
/// <param name="Path">The folder.</param>
/// <param name="Manifest">What the folder says of itself.</param>
/// <param name="SizeShare">Of the fp32 model's bytes.</param>
/// <param name="GrowthPercent">Of bits per byte on the validation text.</param>
/// <param name="DialogueGrowthPercent">On the answers of conversations; null where there are none.</param>
public sealed record QuantizeResult(
    string Model, string Path, QuantizedManifest Manifest, double SizeShare, double GrowthPercent, double? DialogueGrowthPercent);

/// <summary>
/// Post-training quantization: calibrates, quantises, measures both models through the kernels that serve them, and publishes the new one
/// if the text costs it no more bits than the bound allows.
/// </summary>
public static class RunQuantizer
{
    private const int CacheTokens = 0;

    /// <summary>Does all of it.</summary>
    /// <param name="request">What, and how.</param>
    /// <param name="say">Told what goes on, a line each.</param>
    /// <param name="cancellation">Ends the work; what was there stays.</param>
    /// <exception cref="UserErrorException">There is no model, or the loss grew beyond the bound: nothing is published, and what was stays as it was.</exception>
    public static QuantizeResult Run(QuantizeRequest request, Action<string> say, CancellationToken cancellation)
    {
        Check(request);
        var source = RunSource.Open(request.Folder);
        var checkpoint = source.Latest(say);
        var manifest = checkpoint.Manifest;
        var layout = new ParameterLayout(source.Recipe.Model);
        var parameters = new float[layout.TotalCount];
        CheckpointStore.Load(checkpoint, layout, parameters, [], []);
        var text = HeldOutText.Open(request.Folder, source.Recipe, source.Tokenizer, manifest.Stage);

        say(FormattableString.Invariant($"calibrating on {text.CalibrationTokens} tokens ({text.CalibrationSource})"));
        var statistics = Calibrate(layout, parameters, text, cancellation);
        say("choosing scales and codes");
        var model = QuantizedModel.Of(layout, parameters, request.Scheme, statistics);
        cancellation.ThrowIfCancellationRequested();

        say("measuring both models");
        using var before = new ManagedDecoder(layout, parameters, DecodePrecision.Fp32, CacheTokens, request.Threads);
        using var after = new ManagedDecoder(model, CacheTokens, request.Threads);
        var was = ModelQuality.Of(before, text, cancellation);
        var now = ModelQuality.Of(after, text, cancellation);
        if (now.GrowthFrom(was) is var growth && growth > request.BoundPercent)
        {
            throw new UserErrorException(FormattableString.Invariant(
                $"The quantised model needs {growth:0.00} % more bits per byte ({Both(was)} in fp32, {Both(now)} quantised); the bound is {request.BoundPercent} %."),
                "Nothing was published. Give a finer format (--format, --head, --activations fp32, --kv), or a larger --bound.");
        }

        var speed = DecodeSpeed.Compare([before, after], cancellation);
        var path = request.Folder.Quantized(request.Name);
        var saved = QuantizedModelFolder.Save(path, model, file => new QuantizedManifest
        {
            Version = QuantizedManifest.CurrentVersion,
            Stage = manifest.Stage,
            Step = manifest.Step,
            CheckpointSha256 = manifest.WeightsSha256,
            RecipeSha256 = manifest.RecipeSha256,
            Shape = layout.Shape,
            Scheme = request.Scheme,
            Calibration = $"least squares of the products' errors, weighed by the mean square of each input over {text.CalibrationSource}",
            CalibrationTokens = text.CalibrationTokens,
            BoundPercent = request.BoundPercent,
            Figures = new QuantizedFigures(layout.ParameterCount * sizeof(float), file.Bytes, was.BitsPerByte, now.BitsPerByte,
                was.DialogueBitsPerByte, now.DialogueBitsPerByte, Math.Round(speed[0], 1), Math.Round(speed[1], 1)),
            File = file,
            ManifestSha256 = "",
        });
        return new QuantizeResult($"{request.Folder.Name}:{request.Name}", path, saved, (double)saved.File.Bytes / saved.Figures.BytesBefore,
            ModelQuality.Growth(was.BitsPerByte, now.BitsPerByte),
            was.DialogueBitsPerByte is { } answers ? ModelQuality.Growth(answers, now.DialogueBitsPerByte!.Value) : null);
    }

    /// <summary>What enters the model's products while it reads the calibration text.</summary>
    private static ActivationStatistics Calibrate(ParameterLayout layout, float[] parameters, HeldOutText text, CancellationToken cancellation)
    {
        var statistics = new ActivationStatistics();
        using var decoder = new ManagedDecoder(layout, parameters, DecodePrecision.Fp32, CacheTokens, statistics: statistics);
        foreach (var window in text.Calibration)
        {
            cancellation.ThrowIfCancellationRequested();
            // Every row's logits, so that what enters the head is seen of every token too.
            Cluster.Inference.Generation.TextLoss.Sum(decoder, window.Ids, window.Targets, new byte[window.Ids.Length]);
        }

        return statistics;
    }

    private static void Check(QuantizeRequest request)
    {
        if (!RunFolder.IsQuantizedName(request.Name))
            throw new UserErrorException($"--name is \"{request.Name}\".", "Give 1 to 64 letters, digits, dots, hyphens or underscores, beginning with a letter or digit.");
        if (!(request.BoundPercent > 0 && request.BoundPercent <= 1_000))
            throw new UserErrorException(FormattableString.Invariant($"--bound is {request.BoundPercent} %."), "Give more than 0 and at most 1000 per cent.");
    }

    private static string Both(ModelQuality quality) => quality.DialogueBitsPerByte is { } answers
        ? FormattableString.Invariant($"{quality.BitsPerByte:0.0000} and for answers {answers:0.0000}")
        : FormattableString.Invariant($"{quality.BitsPerByte:0.0000}");
}
