using Cluster.Inference.Backends;
using Cluster.Inference.Generation;

namespace Cluster.Silo.Streamlining;

/// <summary>How well a model knows held-out text, through the arithmetic that serves it.</summary>
/// <param name="BitsPerByte">On the run's validation text.</param>
/// <param name="DialogueBitsPerByte">On the answers of the validation conversations; null where there are none.</param>
internal sealed record ModelQuality(double BitsPerByte, double? DialogueBitsPerByte)
{
    /// <summary>Measures a model.</summary>
    public static ModelQuality Of(IDecodeBackend backend, HeldOutText text, CancellationToken cancellation) =>
        new(Bits(backend, text.Text, cancellation), text.Dialogues is { } dialogues ? Bits(backend, dialogues, cancellation) : null);

    /// <summary>Growth of bits per byte in per cent, the larger one where there are two.</summary>
    public double GrowthFrom(ModelQuality before) => Math.Max(
        Growth(before.BitsPerByte, BitsPerByte),
        before.DialogueBitsPerByte is { } was && DialogueBitsPerByte is { } now ? Growth(was, now) : double.NegativeInfinity);

    /// <summary>In per cent; a figure that is no number has grown without bound.</summary>
    public static double Growth(double before, double after) => double.IsNaN(after) ? double.PositiveInfinity : 100 * (after / before - 1);

    /// <summary>Bits per byte of one text.</summary>
    public static double Bits(IDecodeBackend backend, MeasuredText text, CancellationToken cancellation)
    {
        double sum = 0;
        foreach (var window in text.Windows)
        {
            cancellation.ThrowIfCancellationRequested();
            sum += TextLoss.Sum(backend, window.Ids, window.Targets, window.Mask);
        }

        return Evaluation.Scores.BitsPerByte.From(sum, 1, text.Bytes);
    }
}
