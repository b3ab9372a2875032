// Enters: labelled texts. Leaves: a classifier and its figures on texts held out. Does not know: files, labels' meaning.

using Cluster.Core.Errors;
using Cluster.Core.Randomness;

namespace Cluster.Data.Corpus.Quality;

/// <summary>How a classifier is trained.</summary>
public sealed record TextClassifierTrainerOptions
{
    /// <summary>Binary logarithm of the number of weights.</summary>
    public int Bits { get; init; } = 18;

    /// <summary>Passes over the documents, 1 to 1,000.</summary>
    public int Passes { get; init; } = 10;

    /// <summary>Share of the documents to measure on, in [0, 0.9]; chosen by the hash of their text, so that no text is on both
    /// sides.</summary>
    public double HeldOut { get; init; } = 0.1;

    /// <summary>Decides the order of the documents.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Returns the options if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public TextClassifierTrainerOptions Validate()
    {
        Check(Bits is >= TextClassifierTrainer.FewestBits and <= TextClassifierTrainer.MostBits, "bits", Bits, "10 to 24");
        Check(Passes is >= 1 and <= 1000, "passes", Passes, "1 to 1,000");
        Check(HeldOut is >= 0 and <= 0.9, "held_out", HeldOut, "0 to 0.9");
        return this;
    }

    private static void Check(bool condition, string field, double value, string range)
    {
        if (!condition)
            throw new UserErrorException(FormattableString.Invariant($"{field} is {value}."), $"Give {range}.");
    }
}

/// <summary>
/// Logistic regression by AdaGrad (Duchi, Hazan, Singer 2011), one document at a time in a keyed order, in double: the same weights for the
/// same texts and options on every machine. Both kinds weigh the same in all, however many documents each has, so that a score of 0.5 is
/// undecided. Of a document the first <see cref="MostWords"/> words count.
/// </summary>
public static class TextClassifierTrainer
{
    /// <summary>Least of <see cref="TextClassifierTrainerOptions.Bits"/>.</summary>
    public const int FewestBits = 10;

    /// <summary>Most of <see cref="TextClassifierTrainerOptions.Bits"/>.</summary>
    public const int MostBits = 24;

    /// <summary>Words of a document that count in training.</summary>
    public const int MostWords = 4000;

    private const double Rate = 0.5;

    /// <summary>Trains and measures.</summary>
    /// <param name="label">What a high score means.</param>
    /// <param name="positive">Texts of the kind.</param>
    /// <param name="negative">Other texts.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="UserErrorException">One side has no text to learn from.</exception>
    public static TextClassifier Train(
        string label, IReadOnlyList<string> positive, IReadOnlyList<string> negative, TextClassifierTrainerOptions options,
            CancellationToken cancellation = default)
    {
        options.Validate();
        var (learnPositive, heldPositive) = Part(positive, options.HeldOut);
        var (learnNegative, heldNegative) = Part(negative, options.HeldOut);
        if (learnPositive.Count == 0 || learnNegative.Count == 0)
        {
            throw new UserErrorException(
                FormattableString.Invariant($"There are {learnPositive.Count} texts of the kind and {learnNegative.Count} others to learn from."),
                "Give more labelled texts of both, or hold fewer out.");
        }

        var (weights, bias) = Fit(learnPositive, learnNegative, options, cancellation);
        var header = new TextClassifierHeader(label, options.Bits, bias, learnPositive.Count, learnNegative.Count, null);
        var classifier = new TextClassifier(header, weights);
        if (heldPositive.Count + heldNegative.Count == 0)
            return classifier;
        var measures = ClassifierMeasures.Of([.. heldPositive.Select(classifier.Score)], [.. heldNegative.Select(classifier.Score)]);
        return new TextClassifier(header with { HeldOut = measures }, weights);
    }

    private static (List<string> Learn, List<string> Held) Part(IReadOnlyList<string> texts, double heldOut)
    {
        const int parts = 1 << 20;
        var byPart = texts.Where(text => !string.IsNullOrWhiteSpace(text)).ToLookup(text =>
            StableHash.Hash64("held-out:" + text) % parts < heldOut * parts);
        return ([.. byPart[false]], [.. byPart[true]]);
    }

    private static (float[] Weights, double Bias) Fit(List<string> positive, List<string> negative, TextClassifierTrainerOptions options,
        CancellationToken cancellation)
    {
        var weights = new double[1 << options.Bits];
        var squares = new double[1 << options.Bits];
        double bias = 0, biasSquares = 0;
        var features = new int[2 * MostWords];
        var count = positive.Count + negative.Count;
        for (var pass = 0; pass < options.Passes; pass++)
        {
            var order = new KeyedPermutation(new CounterRandom(options.Seed, RandomPurpose.SampleOrder, (ulong)pass), count);
            for (var i = 0; i < count; i++)
            {
                cancellation.ThrowIfCancellationRequested();
                var at = (int)order[i];
                var isPositive = at < positive.Count;
                var words = TextView.Of(isPositive ? positive[at] : negative[at - positive.Count]).Words;
                var length = TextClassifier.Features(words[..Math.Min(words.Length, MostWords)], options.Bits, features);
                if (length == 0)
                    continue;
                var sum = 0.0;
                foreach (var feature in features.AsSpan(0, length))
                    sum += weights[feature];
                var weight = count / (2.0 * (isPositive ? positive.Count : negative.Count));
                var error = weight * (TextClassifier.Sigmoid(bias + sum / length) - (isPositive ? 1 : 0));
                biasSquares += error * error;
                bias -= 0.1 * Rate * error / (Math.Sqrt(biasSquares) + 1e-12);
                var gradient = error / length;
                var square = gradient * gradient;
                foreach (var feature in features.AsSpan(0, length))
                {
                    squares[feature] += square;
                    weights[feature] -= Rate * gradient / (Math.Sqrt(squares[feature]) + 1e-12);
                }
            }
        }

        return ([.. weights.Select(w => (float)w)], bias);
    }
}
