// Enters: labelled folders and options. Leaves: a classifier's figures. Does not know: consoles, options' names.

using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Quality;

namespace Cluster.Cli.Corpus;

/// <summary>What <c>corpus train-quality</c> and <c>train-toxicity</c> made.</summary>
public sealed record ClassifierTrainResult
{
    /// <summary>Where it was written.</summary>
    public required string File { get; init; }

    /// <summary>What a high score means.</summary>
    public required string Label { get; init; }

    /// <summary>The first 12 digits of the weights' SHA-256.</summary>
    public required string Version { get; init; }

    /// <summary>Documents of the kind that it learnt from.</summary>
    public required int Positive { get; init; }

    /// <summary>Other documents that it learnt from.</summary>
    public required int Negative { get; init; }

    /// <summary>On documents held out; absent if none were.</summary>
    public ClassifierMeasures? HeldOut { get; init; }
}

/// <summary>What <c>corpus evaluate-quality</c> found.</summary>
/// <param name="Model">The file.</param>
/// <param name="Label">What a high score means.</param>
/// <param name="Version">The first 12 digits of the weights' SHA-256.</param>
/// <param name="Measures">On the given documents.</param>
public sealed record ClassifierEvaluation(string Model, string Label, string Version, ClassifierMeasures Measures);

/// <summary>Trains and measures classifiers on folders or files of text.</summary>
public static class ClassifierTraining
{
    /// <summary>Trains on two folders and writes the file.</summary>
    /// <exception cref="Core.Errors.UserErrorException">There is no text, or an option is out of range, or the file cannot be written.</exception>
    public static ClassifierTrainResult Train(
        string label, string positive, string negative, string file, TextClassifierTrainerOptions options, CancellationToken cancellation)
    {
        options.Validate();
        var classifier = TextClassifierTrainer.Train(label, Texts(positive, cancellation), Texts(negative, cancellation), options, cancellation);
        classifier.Save(file);
        return new ClassifierTrainResult
        {
            File = file,
            Label = label,
            Version = classifier.Version,
            Positive = classifier.Header.Positive,
            Negative = classifier.Header.Negative,
            HeldOut = classifier.Header.HeldOut,
        };
    }

    /// <summary>Measures a classifier on documents that it has not seen.</summary>
    /// <exception cref="Core.Errors.UserErrorException">The file is no classifier, or there is no text.</exception>
    public static ClassifierEvaluation Evaluate(string model, string positive, string negative, double threshold, CancellationToken cancellation)
    {
        var classifier = TextClassifier.Load(model);
        var measures = ClassifierMeasures.Of(Scores(positive), Scores(negative), threshold);
        return new ClassifierEvaluation(model, classifier.Header.Label, classifier.Version, measures);

        double[] Scores(string path) => [.. Texts(path, cancellation).Select(classifier.Score)];
    }

    private static IReadOnlyList<string> Texts(string path, CancellationToken cancellation) =>
        [.. new FolderSource(path).Read(Environment.ProcessorCount, cancellation).Documents.Select(document => document.Text)];
}
