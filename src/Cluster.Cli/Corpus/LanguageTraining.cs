// Enters: a folder of text by language. Leaves: a language model and its figures. Does not know: consoles.

using Cluster.Core.Errors;
using Cluster.Data.Corpus.Language;

namespace Cluster.Cli.Corpus;

/// <summary>What <c>corpus train-language</c> made.</summary>
/// <param name="File">Where it was written.</param>
/// <param name="Bytes">Its size.</param>
/// <param name="HeldOutAccuracy">Share of the held-out paragraphs told right, in [0, 1].</param>
/// <param name="Languages">By language.</param>
public sealed record LanguageTrainResult(string File, long Bytes, double HeldOutAccuracy, IReadOnlyList<LanguageAccuracy> Languages);

/// <summary>Trains a language model on a folder of CODE.txt, one paragraph a line.</summary>
public static class LanguageTraining
{
    /// <summary>Trains and writes the file.</summary>
    /// <exception cref="UserErrorException">The folder has too little, or the file cannot be written.</exception>
    public static LanguageTrainResult Train(string folder, string file, LanguageTrainerOptions options, CancellationToken cancellation)
    {
        if (!Directory.Exists(folder))
            throw new UserErrorException($"The folder {folder} does not exist.", "Give a folder of CODE.txt, as infra/language/collect.sh makes it.");
        IReadOnlyDictionary<string, IReadOnlyList<string>> texts;
        try
        {
            texts = Directory.GetFiles(folder, "*.txt").ToDictionary(path => Path.GetFileNameWithoutExtension(path), path => (IReadOnlyList<string>)File.ReadAllLines(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The folder {folder} cannot be read: {error.Message}", "Make it readable for this user.", error);
        }

        var (model, heldOut) = LanguageTrainer.Train(texts, options, cancellation);
        model.Save(file);
        return new LanguageTrainResult(file, new FileInfo(file).Length, model.Header.HeldOutAccuracy, heldOut);
    }
}
