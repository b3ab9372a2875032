// Enters: paragraphs by language. Leaves: a model and its accuracy on paragraphs held out. Does not know: where the text came from.

using System.Numerics;
using Cluster.Core.Errors;
using Cluster.Core.Randomness;

namespace Cluster.Data.Corpus.Language;

/// <summary>How a language model is trained.</summary>
public sealed record LanguageTrainerOptions
{
    /// <summary>Binary logarithm of the number of buckets, 10 to 18.</summary>
    public int Bits { get; init; } = 13;

    /// <summary>Samples of each language per pass, at least 1; a language with fewer paragraphs gives each several times.</summary>
    public int SamplesPerPass { get; init; } = 6000;

    /// <summary>Passes, at least 1.</summary>
    public int Passes { get; init; } = 6;

    /// <summary>Shortest sample in characters; longer ones go up to ten times that.</summary>
    public int ShortestSample { get; init; } = 40;

    /// <summary>One of so many paragraphs is held out, chosen by its hash.</summary>
    public int HeldOutOf { get; init; } = 20;

    /// <summary>Decides order and lengths of the samples.</summary>
    public ulong Seed { get; init; } = 1;
}

/// <summary>How well a model tells one language.</summary>
/// <param name="Language">ISO 639-1.</param>
/// <param name="Samples">Held-out samples.</param>
/// <param name="Right">Those told right.</param>
public sealed record LanguageAccuracy(string Language, int Samples, int Right);

/// <summary>
/// Softmax regression by AdaGrad (Duchi, Hazan, Singer 2011), one sample at a time in a keyed order: the same file for the same text and
/// options on every machine. All arithmetic on weights is by element, in single precision without fused multiplication; sums over languages
/// are in double.
/// </summary>
public static class LanguageTrainer
{
    private const float Rate = 0.5f;

    // A language needs this many paragraphs, or its part would be learnt by heart.
    private const int FewestParagraphs = 200;

    /// <summary>Trains on the paragraphs of each language.</summary>
    /// <param name="texts">Paragraphs by ISO 639-1 code.</param>
    /// <param name="options">How.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="UserErrorException">Too few or too many languages, or too little text of one.</exception>
    public static (LanguageModel Model, IReadOnlyList<LanguageAccuracy> HeldOut) Train(
        IReadOnlyDictionary<string, IReadOnlyList<string>> texts, LanguageTrainerOptions options, CancellationToken cancellation = default)
    {
        if (options.Bits is < 10 or > 18 || options.SamplesPerPass < 1 || options.Passes < 1 || options.ShortestSample < 10
            || options.HeldOutOf < 2)
            throw new UserErrorException("The options of the training are out of range.",
                "Give bits from 10 to 18, and at least one sample and one pass.");
        string[] languages = [.. texts.Keys.Order(StringComparer.Ordinal)];
        if (languages.Length is < 2 or > LanguageModel.Lanes)
            throw new UserErrorException($"There is text in {languages.Length} languages.", $"Give 2 to {LanguageModel.Lanes}.");
        var train = new List<string>[languages.Length];
        var heldOut = new List<string>[languages.Length];
        for (var l = 0; l < languages.Length; l++)
        {
            train[l] = [.. texts[languages[l]].Where(text => !IsHeldOut(text, options.HeldOutOf))];
            heldOut[l] = [.. texts[languages[l]].Where(text => IsHeldOut(text, options.HeldOutOf))];
            if (train[l].Count < FewestParagraphs)
                throw new UserErrorException($"{languages[l]} has {train[l].Count} paragraphs to learn from.",
                    FormattableString.Invariant($"Give at least {FewestParagraphs}."));
        }

        var (weights, biases) = Fit(train, options, cancellation);
        var model = Quantise(languages, train, weights, biases, options.Bits);
        var accuracy = Measure(model, languages, heldOut);
        var share = accuracy.Sum(row => row.Right) / (double)Math.Max(1, accuracy.Sum(row => row.Samples));
        return (new LanguageModel(model.Header with { HeldOutAccuracy = Math.Round(share, 5) }, model.Weights), accuracy);
    }

    private static bool IsHeldOut(string text, int of) => StableHash.Hash64(text) % (ulong)of == 0;

    private static (float[] Weights, float[] Biases) Fit(List<string>[] train, LanguageTrainerOptions options,
        CancellationToken cancellation)
    {
        const int lanes = LanguageModel.Lanes;
        var languages = train.Length;
        var weights = new float[lanes << options.Bits];
        var squares = new float[lanes << options.Bits];
        var biases = new float[lanes];
        var longest = options.ShortestSample * 10;
        var folded = new char[longest + 2];
        var buckets = new int[(longest + 2) * LetterGrams.LongestGram];
        var logits = new float[lanes];
        var gradient = new float[lanes];
        KeyedPermutation[] orders = [.. Enumerable.Range(0, languages).Select(l =>
            new KeyedPermutation(new CounterRandom(options.Seed, RandomPurpose.SampleOrder, (ulong)l), train[l].Count))];
        var lengths = new CounterRandom(options.Seed, RandomPurpose.SampleOrder, ulong.MaxValue);
        var total = (long)options.Passes * options.SamplesPerPass;
        for (long s = 0; s < total; s++)
        {
            cancellation.ThrowIfCancellationRequested();
            // The rate falls to a tenth, so that the last samples do not weigh more than the others.
            var rate = Rate * (1f - 0.9f * s / total);
            for (var l = 0; l < languages; l++)
            {
                var text = train[l][(int)orders[l][s % train[l].Count]].AsSpan();
                var random = lengths.UInt64((ulong)(s * languages + l));
                var length = (int)Math.Min((ulong)text.Length,
                    (ulong)options.ShortestSample + random % (ulong)(longest - options.ShortestSample));
                var start = (int)((random >> 32) % (ulong)(text.Length - length + 1));
                var characters = LetterGrams.Fold(text.Slice(start, length), folded);
                var count = LetterGrams.Buckets(folded.AsSpan(0, characters), options.Bits, buckets);
                if (count > 0)
                    Step(buckets.AsSpan(0, count), l, languages, rate, weights, squares, biases, logits, gradient);
            }
        }

        return (weights, biases);
    }

    private static void Step(
        ReadOnlySpan<int> buckets, int language, int languages, float rate, float[] weights, float[] squares, float[] biases,
            float[] logits, float[] gradient)
    {
        const int lanes = LanguageModel.Lanes;
        logits.AsSpan().Clear();
        foreach (var bucket in buckets)
        {
            var row = weights.AsSpan(bucket * lanes, lanes);
            for (var i = 0; i < lanes; i += Vector<float>.Count)
                (new Vector<float>(logits, i) + new Vector<float>(row[i..])).CopyTo(logits, i);
        }

        var inverse = 1f / buckets.Length;
        var highest = float.NegativeInfinity;
        for (var l = 0; l < languages; l++)
        {
            logits[l] = logits[l] * inverse + biases[l];
            highest = Math.Max(highest, logits[l]);
        }

        var sum = 0.0;
        for (var l = 0; l < languages; l++)
            sum += Math.Exp(logits[l] - highest);
        for (var l = 0; l < languages; l++)
        {
            var error = (float)(Math.Exp(logits[l] - highest) / sum) - (l == language ? 1f : 0f);
            biases[l] -= 0.01f * rate * error;
            gradient[l] = error * inverse;
        }

        for (var i = 0; i < lanes; i += Vector<float>.Count)
        {
            var g = new Vector<float>(gradient, i);
            var g2 = g * g;
            var step = g * new Vector<float>(rate);
            foreach (var bucket in buckets)
            {
                var square = squares.AsSpan(bucket * lanes + i, Vector<float>.Count);
                var weight = weights.AsSpan(bucket * lanes + i, Vector<float>.Count);
                var seen = new Vector<float>(square) + g2;
                seen.CopyTo(square);
                (new Vector<float>(weight) - step / (Vector.SquareRoot(seen) + new Vector<float>(1e-7f))).CopyTo(weight);
            }
        }
    }

    private static Quantised Quantise(string[] languages, List<string>[] train, float[] weights, float[] biases, int bits)
    {
        // One scale for all. Few weights are far out; they are cut at the value that one of a thousand exceeds.
        float[] sizes = [.. weights.Where(w => w != 0).Select(Math.Abs).Order()];
        var most = sizes.Length == 0 ? 1 : sizes[(int)(sizes.Length * 0.999)];
        var scale = most / 127.0;
        sbyte[] small = [.. weights.Select(w => (sbyte)Math.Clamp(Math.Round(w / scale), -127, 127))];
        return new Quantised(
            new LanguageModelHeader(languages, bits, scale, [.. biases.Take(languages.Length).Select(b => (double)b)],
                [.. train.Select(list => list.Sum(text => (long)text.Length))], 0),
            small);
    }

    private static List<LanguageAccuracy> Measure(Quantised quantised, string[] languages, List<string>[] heldOut)
    {
        var model = new LanguageModel(quantised.Header, quantised.Weights);
        return [.. languages.Select((language, l) =>
            new LanguageAccuracy(language, heldOut[l].Count, heldOut[l].Count(text => model.Identify(text).Code == language)))];
    }

    private sealed record Quantised(LanguageModelHeader Header, sbyte[] Weights);
}
