// Enters: words of a text. Leaves: how likely they are of the kind that the model was trained on. Does not know: what kind that is.

using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Runs;

namespace Cluster.Data.Corpus.Quality;

/// <summary>What a classifier's file says of itself.</summary>
/// <param name="Label">What a high score means: "quality", "toxicity".</param>
/// <param name="Bits">Binary logarithm of the number of weights.</param>
/// <param name="Bias">Added to the sum.</param>
/// <param name="Positive">Documents of the kind that it learnt from.</param>
/// <param name="Negative">Other documents that it learnt from.</param>
/// <param name="HeldOut">How well it tells documents that it did not learn from; null if none were held out.</param>
public sealed record TextClassifierHeader(string Label, int Bits, double Bias, int Positive, int Negative, ClassifierMeasures? HeldOut);

/// <summary>
/// Logistic regression on the mean of hashed word uni- and bigrams (after Joulin et al. 2017, "Bag of tricks for efficient text
/// classification", without its hidden layer; the linear quality classifiers of GPT-3, Brown et al. 2020, appendix A, and of
/// DCLM, Li et al. 2024, are of this kind). Words and symbols are those of <see cref="TextView"/>, in lower case. A score depends on the
/// text and the file alone: sums are in double, in the order of the words.
/// </summary>
public sealed class TextClassifier
{
    private const string Magic = "CLTC1\n";

    // Between the words of a bigram: odd, well-mixed (PCG's multiplier, O'Neill 2014).
    private const ulong Pair = 6364136223846793005;

    private readonly float[] _weights;

    internal TextClassifier(TextClassifierHeader header, float[] weights)
    {
        Header = header;
        _weights = weights;
        // By its bytes, so that a report names the very weights.
        Version = Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes(weights.AsSpan())))[..12];
    }

    /// <summary>What it is.</summary>
    public TextClassifierHeader Header { get; }

    /// <summary>The first 12 hexadecimal digits of the SHA-256 of the weights.</summary>
    public string Version { get; }

    /// <summary>The probability, in (0, 1), that a text is of the kind; 0.5 for an empty one.</summary>
    public double Score(string text) => Score(TextView.Of(text).Words);

    internal double Score(ReadOnlySpan<TextWord> words)
    {
        if (words.IsEmpty)
            return 0.5;
        var sum = 0.0;
        var shift = 64 - Header.Bits;
        var weights = _weights;
        var previous = 0UL;
        foreach (ref readonly var word in words)
        {
            sum += weights[(int)(word.Folded >> shift)];
            if (previous != 0)
                sum += weights[Bigram(previous, word.Folded, shift)];
            previous = word.Folded;
        }

        return Sigmoid(Header.Bias + sum / (2 * words.Length - 1));
    }

    /// <summary>The weights' places of words, uni- and bigrams in the order of the text.</summary>
    internal static int Features(ReadOnlySpan<TextWord> words, int bits, Span<int> features)
    {
        var count = 0;
        var shift = 64 - bits;
        for (var i = 0; i < words.Length; i++)
        {
            features[count++] = (int)(words[i].Folded >> shift);
            if (i > 0)
                features[count++] = Bigram(words[i - 1].Folded, words[i].Folded, shift);
        }

        return count;
    }

    internal static double Sigmoid(double x) => 1 / (1 + Math.Exp(-x));

    private static int Bigram(ulong first, ulong second, int shift) => (int)(TextView.Mix(first * Pair + second) >> shift);

    /// <summary>Writes the file: a line, the header's length, the header as JSON, the weights, and the SHA-256 of all of it.</summary>
    /// <exception cref="UserErrorException">The file cannot be written; what was there is unharmed.</exception>
    public void Save(string path)
    {
        var header = Encoding.UTF8.GetBytes(RunJson.Line(Header));
        var bytes = new byte[Magic.Length + 4 + header.Length + _weights.Length * 4 + SHA256.HashSizeInBytes];
        Encoding.ASCII.GetBytes(Magic, bytes);
        BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(Magic.Length), header.Length);
        header.CopyTo(bytes, Magic.Length + 4);
        var at = Magic.Length + 4 + header.Length;
        foreach (var weight in _weights)
        {
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(at), weight);
            at += 4;
        }

        SHA256.HashData(bytes.AsSpan(0, at), bytes.AsSpan(at));
        AtomicWrite.AllBytes(path, bytes);
    }

    /// <summary>Reads a file.</summary>
    /// <param name="path">What <c>corpus train-quality</c> or <c>corpus train-toxicity</c> wrote.</param>
    /// <exception cref="UserErrorException">It is missing, damaged or something else.</exception>
    public static TextClassifier Load(string path)
    {
        const string remedy = "Give a file that `corpus train-quality` or `corpus train-toxicity` wrote; none comes with this program, because what is good or harmful is the user's to say.";
        byte[] bytes;
        try
        {
            bytes = File.ReadAllBytes(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The classifier {path} cannot be read ({error.Message.TrimEnd('.')}).", remedy, error);
        }

        var content = bytes.AsSpan(0, Math.Max(0, bytes.Length - SHA256.HashSizeInBytes));
        if (content.Length < Magic.Length + 4 || !content.StartsWith(Encoding.ASCII.GetBytes(Magic)))
            throw new UserErrorException($"{path} is no classifier.", remedy);
        if (!SHA256.HashData(content).AsSpan().SequenceEqual(bytes.AsSpan(content.Length)))
            throw new UserErrorException($"The classifier {path} is damaged: its checksum is another.", "Restore it or train it again.");
        var length = BinaryPrimitives.ReadInt32LittleEndian(content[Magic.Length..]);
        if (length <= 0 || length > content.Length - Magic.Length - 4)
            throw new UserErrorException($"{path} is no classifier.", remedy);
        var header = RunJson.Parse<TextClassifierHeader>(Encoding.UTF8.GetString(content.Slice(Magic.Length + 4, length)), path);
        var rest = content[(Magic.Length + 4 + length)..];
        if (header.Bits is < TextClassifierTrainer.FewestBits or > TextClassifierTrainer.MostBits || rest.Length != 4L << header.Bits
            || !double.IsFinite(header.Bias))
            throw new UserErrorException($"{path} is no classifier.", remedy);
        var weights = new float[1 << header.Bits];
        for (var i = 0; i < weights.Length; i++)
            weights[i] = BinaryPrimitives.ReadSingleLittleEndian(rest[(i * 4)..]);
        return new TextClassifier(header, weights);
    }
}
