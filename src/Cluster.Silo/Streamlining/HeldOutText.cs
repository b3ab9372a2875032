// Enters: a run's folder. Leaves: the text that its model is measured on, and text to calibrate with. Does not know: models.
using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Shards;
using Cluster.Data.Tokens;
using Cluster.Silo.Shards;

namespace Cluster.Silo.Streamlining;

/// <summary>One sequence to be measured or looked at.</summary>
/// <param name="Ids">What the model reads.</param>
/// <param name="Targets">The id that follows each.</param>
/// <param name="Mask">0 leaves a token's loss out.</param>
internal sealed record TextWindow(int[] Ids, int[] Targets, byte[] Mask);

/// <summary>Sequences whose bytes are known.</summary>
/// <param name="Windows">The sequences.</param>
/// <param name="Bytes">UTF-8 bytes that the unmasked targets stand for, at least 1.</param>
internal sealed record MeasuredText(IReadOnlyList<TextWindow> Windows, long Bytes);

/// <summary>
/// The validation text is just what the run's own validation reads, so that figures can be set beside the report's. Calibration reads
/// what the validation leaves of the same stream, and where that is too little, the first of the training text.
/// </summary>
internal sealed class HeldOutText
{
    private const int LeastCalibration = 2_048, MostCalibration = 16_384, CalibrationRows = 64;

    private HeldOutText(MeasuredText text, MeasuredText? dialogues, IReadOnlyList<TextWindow> calibration, string calibrationSource) =>
        (Text, Dialogues, Calibration, CalibrationSource) = (text, dialogues, calibration, calibrationSource);

    /// <summary>The run's validation text.</summary>
    public MeasuredText Text { get; }

    /// <summary>The validation conversations, the assistant's tokens unmasked; null where the model was not tuned on any.</summary>
    public MeasuredText? Dialogues { get; }

    /// <summary>Text that neither training (if there is enough) nor the measurement reads.</summary>
    public IReadOnlyList<TextWindow> Calibration { get; }

    /// <summary>Where it comes from.</summary>
    public string CalibrationSource { get; }

    /// <summary>Tokens to calibrate with.</summary>
    public long CalibrationTokens => Calibration.Sum(window => (long)window.Ids.Length);

    /// <param name="folder">The run's, with its validation shards.</param>
    /// <param name="recipe">As resolved.</param>
    /// <param name="tokenizer">The run's.</param>
    /// <param name="stage">The training stage that the model comes from.</param>
    /// <exception cref="UserErrorException">The shards are missing or damaged.</exception>
    public static HeldOutText Open(RunFolder folder, Recipe recipe, ITokenizer tokenizer, string stage)
    {
        var context = recipe.Model.Context;
        using var stream = Required(folder, Datasets.Validation);
        if (stream.Index.Tokens < 2)
            throw new UserErrorException($"The validation text of {folder.Path} holds {stream.Index.Tokens} tokens.", "Give a run with more text.");
        var measured = PretrainingStepSource.ValidationTokens(recipe, stream.Index.Tokens);
        var text = Measured(Windows(stream, 0, measured, context), tokenizer);

        List<TextWindow> calibration = [.. Windows(stream, measured, Math.Min(stream.Index.Tokens - 1, measured + MostCalibration), context)];
        var source = "validation text that the measurement leaves";
        if (calibration.Sum(window => window.Ids.Length) < LeastCalibration)
        {
            calibration = [];
            if (Directory.Exists(folder.Dataset(Datasets.Train)))
            {
                using var train = ShardReader.Open(folder.Dataset(Datasets.Train));
                calibration = [.. Windows(train, 0, Math.Min(train.Index.Tokens - 1, MostCalibration), context)];
                source = "training text: the measurement leaves too little of the validation text";
            }

            if (calibration.Count == 0)
            {
                calibration = [.. Windows(stream, 0, Math.Min(measured, MostCalibration), context)];
                source = "the measured text itself: there is no other";
            }
        }

        MeasuredText? dialogues = null;
        if (stage == StageNames.FineTuning)
        {
            using var rows = Required(folder, Datasets.DialoguesValidation);
            var conversations = new DialogueStepSource(recipe, rows, rows);
            dialogues = Measured(Enumerable.Range(0, recipe.Training.Lanes).SelectMany(conversations.Validation).SelectMany(Split), tokenizer);
            if (Directory.Exists(folder.Dataset(Datasets.Dialogues)))
            {
                using var training = ShardReader.Open(folder.Dataset(Datasets.Dialogues));
                calibration.AddRange(new DialogueStepSource(recipe, training, training).Lane(0, 0).SelectMany(Split).Take(CalibrationRows));
                source += ", and training conversations";
            }
        }

        return new HeldOutText(text, dialogues, calibration, source);
    }

    private static ShardReader Required(RunFolder folder, string dataset) => Directory.Exists(folder.Dataset(dataset))
        ? ShardReader.Open(folder.Dataset(dataset))
        : throw new UserErrorException($"The run in {folder.Path} has no shards of {dataset} to measure on.", "Give a whole run, as `cluster demo` or `cluster train` wrote it.");

    private static IEnumerable<TextWindow> Windows(ShardReader stream, long first, long last, int context)
    {
        for (var start = first; start < last; start += context)
        {
            var length = (int)Math.Min(context, last - start);
            int[] ids = new int[length], targets = new int[length];
            stream.Read(start, ids);
            stream.Read(start + 1, targets);
            yield return new TextWindow(ids, targets, [.. Enumerable.Repeat((byte)1, length)]);
        }
    }

    private static IEnumerable<TextWindow> Split(Model.Training.MicroBatch batch)
    {
        for (var at = 0; at < batch.Tokens.Length; at += batch.Context)
        {
            var end = at + batch.Context;
            if (batch.Mask.AsSpan(at..end).ContainsAnyExcept((byte)0))
                yield return new TextWindow(batch.Tokens[at..end], batch.Targets[at..end], batch.Mask[at..end]);
        }
    }

    /// <summary>Sequences with the bytes of their unmasked targets counted.</summary>
    internal static MeasuredText Measured(IEnumerable<TextWindow> windows, ITokenizer tokenizer)
    {
        TextWindow[] all = [.. windows];
        long bytes = 0;
        foreach (var window in all)
        {
            for (var i = 0; i < window.Targets.Length; i++)
            {
                if (window.Mask[i] != 0 && !tokenizer.Special.Contains(window.Targets[i]))
                    bytes += tokenizer.TokenBytes(window.Targets[i]).Length;
            }
        }

        return new MeasuredText(all, Math.Max(1, bytes));
    }
}
