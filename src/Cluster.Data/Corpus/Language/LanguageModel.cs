// Enters: a text. Leaves: the language it is most likely in, and how likely. Does not know: documents, stages.

using System.Buffers;
using System.Buffers.Binary;
using System.IO.Compression;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Runs;

namespace Cluster.Data.Corpus.Language;

/// <summary>The language of a text.</summary>
/// <param name="Code">ISO 639-1; "und" (undetermined) for a text without letters or in a script that is not known.</param>
/// <param name="Probability">In [0, 1]: the script's share of the letters, times the model's probability where several languages share the
/// script.</param>
public readonly record struct LanguageGuess(string Code, double Probability)
{
    /// <summary>No language can be told.</summary>
    public const string Undetermined = "und";
}

/// <summary>What a model file says of itself.</summary>
/// <param name="Languages">ISO 639-1 codes, in the order of the weights.</param>
/// <param name="Bits">Binary logarithm of the number of buckets.</param>
/// <param name="Scale">What a weight of 1 stands for.</param>
/// <param name="Biases">One per language.</param>
/// <param name="TrainedOn">Characters of training text by language.</param>
/// <param name="HeldOutAccuracy">Share of the held-out samples that were told right, in [0, 1].</param>
public sealed record LanguageModelHeader(
    IReadOnlyList<string> Languages, int Bits, double Scale, IReadOnlyList<double> Biases, IReadOnlyList<long> TrainedOn,
        double HeldOutAccuracy);

/// <summary>
/// Languages by script where a script has one language here (ja, ko, zh, ar, el, he, th; hi for Devanagari), and among those of the Latin
/// and Cyrillic scripts by a softmax regression on the mean of hashed character n-grams (n from 1 to 5; after Joulin et al. 2017, "Bag of
/// tricks for efficient text classification", without its hidden layer). Weights are 8-bit integers and sums are integers, so that every
/// machine gives the same answer.
/// </summary>
public sealed class LanguageModel
{
    /// <summary>Most characters that are looked at: four windows spread evenly over a longer text.</summary>
    public const int MostCharacters = 4096;

    private const int Windows = 4;

    // A multiple of the widest vector; the places beyond the languages hold zeros.
    internal const int Lanes = 32;

    private const string Magic = "CLID1\n";

    // Latin script's, with which no language of it can be told from so little.
    private const int FewestLetters = 8;

    private static readonly Lazy<LanguageModel> s_shipped = new(() =>
    {
        using var stream = typeof(LanguageModel).Assembly.GetManifestResourceStream("Cluster.Data.Corpus.Language.languages.bin")
            ?? throw new InvalidOperationException("The assembly lacks its language model.");
        return Read(stream, "the language model of this program");
    });

    private readonly sbyte[] _weights;
    private readonly bool[] _isCyrillic;

    internal LanguageModel(LanguageModelHeader header, sbyte[] weights)
    {
        Header = header;
        _weights = weights;
        _isCyrillic = [.. header.Languages.Select(language => language is "ru" or "uk" or "sr" or "bg" or "mk" or "be")];
    }

    /// <summary>The model that comes with this program; its making is in infra/adr/0021.</summary>
    public static LanguageModel Shipped => s_shipped.Value;

    /// <summary>What it is.</summary>
    public LanguageModelHeader Header { get; }

    /// <summary>The languages it can name, those of the scripts included.</summary>
    public IReadOnlySet<string> Known =>
        field ??= Header.Languages.Concat(["ja", "ko", "zh", "ar", "el", "he", "th", "hi"]).ToHashSet(StringComparer.Ordinal);

    /// <summary>The most likely language of a text.</summary>
    public LanguageGuess Identify(ReadOnlySpan<char> text)
    {
        var buffer = ArrayPool<char>.Shared.Rent(MostCharacters + Windows);
        try
        {
            var sample = Sample(text, buffer);
            Span<int> counts = stackalloc int[Scripts.Count];
            var scripts = Scripts.Table;
            foreach (var c in sample)
                counts[(int)scripts[c]]++;
            return ByScript(counts) ?? ByModel(sample, counts);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(buffer);
        }
    }

    private static ReadOnlySpan<char> Sample(ReadOnlySpan<char> text, char[] buffer)
    {
        if (text.Length <= MostCharacters)
            return text;
        var count = 0;
        const int width = MostCharacters / Windows;
        for (var w = 0; w < Windows; w++)
        {
            var start = (int)((long)(text.Length - width) * w / (Windows - 1));
            text.Slice(start, width).CopyTo(buffer.AsSpan(count));
            count += width;
            buffer[count++] = ' ';
        }

        return buffer.AsSpan(0, count);
    }

    private static LanguageGuess? ByScript(ReadOnlySpan<int> counts)
    {
        var letters = 0;
        for (var s = 1; s < counts.Length; s++)
            letters += counts[s];
        if (letters == 0)
            return new LanguageGuess(LanguageGuess.Undetermined, 0);
        double all = letters;
        int latin = counts[(int)Script.Latin], cyrillic = counts[(int)Script.Cyrillic];
        int japanese = counts[(int)Script.Kana] + counts[(int)Script.Han],
            arabic = counts[(int)Script.Arabic] + counts[(int)Script.ArabicElsewhere];
        var most = 0;
        for (var s = 1; s < counts.Length; s++)
            most = Math.Max(most, s == (int)Script.Kana || s == (int)Script.Han ? japanese : s == (int)Script.Arabic ? arabic : counts[s]);
        if (most == latin || most == cyrillic)
            return letters < FewestLetters ? new LanguageGuess(LanguageGuess.Undetermined, 0) : null;
        // Japanese prose is more than a third kana; a Chinese text may quote a word of it.
        if (most == japanese)
            return new LanguageGuess(counts[(int)Script.Kana] >= japanese * 0.1 ? "ja" : "zh", japanese / all);
        if (most == arabic)
            return new LanguageGuess(counts[(int)Script.ArabicElsewhere] >= arabic * 0.02 ? LanguageGuess.Undetermined : "ar",
                arabic / all);
        var code = most == counts[(int)Script.Hangul] ? "ko" : most == counts[(int)Script.Greek] ? "el" : most == counts[(int)Script.Hebrew] ? "he"
            : most == counts[(int)Script.Thai] ? "th" : most == counts[(int)Script.Devanagari] ? "hi" : LanguageGuess.Undetermined;
        return new LanguageGuess(code, most / all);
    }

    private LanguageGuess ByModel(ReadOnlySpan<char> sample, ReadOnlySpan<int> counts)
    {
        var folded = ArrayPool<char>.Shared.Rent(sample.Length + 2);
        var buckets = ArrayPool<int>.Shared.Rent((sample.Length + 2) * LetterGrams.LongestGram);
        try
        {
            var length = LetterGrams.Fold(sample, folded.AsSpan(0, sample.Length + 2));
            var grams = LetterGrams.Buckets(folded.AsSpan(0, length), Header.Bits, buckets);
            if (grams == 0)
                return new LanguageGuess(LanguageGuess.Undetermined, 0);
            Span<double> logits = stackalloc double[Lanes];
            Logits(buckets.AsSpan(0, grams), logits);
            var cyrillic = counts[(int)Script.Cyrillic] > counts[(int)Script.Latin];
            int best = -1, languages = Header.Languages.Count;
            for (var l = 0; l < languages; l++)
            {
                if (_isCyrillic[l] == cyrillic && (best < 0 || logits[l] > logits[best]))
                    best = l;
            }

            if (best < 0)
                return new LanguageGuess(LanguageGuess.Undetermined, 0);
            var sum = 0.0;
            for (var l = 0; l < languages; l++)
                sum += _isCyrillic[l] == cyrillic ? Math.Exp(logits[l] - logits[best]) : 0;
            var letters = 0;
            for (var s = 1; s < counts.Length; s++)
                letters += counts[s];
            return new LanguageGuess(Header.Languages[best],
                counts[(int)(cyrillic ? Script.Cyrillic : Script.Latin)] / (double)letters / sum);
        }
        finally
        {
            ArrayPool<char>.Shared.Return(folded);
            ArrayPool<int>.Shared.Return(buckets);
        }
    }

    internal void Logits(ReadOnlySpan<int> buckets, Span<double> logits)
    {
        Span<int> sums = stackalloc int[Lanes];
        Sum(buckets, sums);
        var scale = Header.Scale / Math.Max(1, buckets.Length);
        for (var l = 0; l < Header.Languages.Count; l++)
            logits[l] = Header.Biases[l] + sums[l] * scale;
    }

    private void Sum(ReadOnlySpan<int> buckets, Span<int> sums)
    {
        // Integers: any width of vector gives the same sums. 16 bits hold 256 weights; then they move into 32.
        ref var weights = ref System.Runtime.InteropServices.MemoryMarshal.GetArrayDataReference(_weights);
        while (!buckets.IsEmpty)
        {
            var part = buckets[..Math.Min(256, buckets.Length)];
            buckets = buckets[part.Length..];
            var low = System.Runtime.Intrinsics.Vector256<short>.Zero;
            var high = low;
            foreach (var bucket in part)
            {
                var row = System.Runtime.Intrinsics.Vector256.LoadUnsafe(ref weights, (nuint)bucket * Lanes);
                var (lower, upper) = System.Runtime.Intrinsics.Vector256.Widen(row);
                low += lower;
                high += upper;
            }

            for (var l = 0; l < Lanes / 2; l++)
            {
                sums[l] += low[l];
                sums[l + Lanes / 2] += high[l];
            }
        }
    }

    /// <summary>Writes the model: a line, a JSON header with its length before it, the weights of each bucket; all but the line in
    /// Brotli.</summary>
    /// <exception cref="UserErrorException">The file cannot be written.</exception>
    public void Save(string path)
    {
        using var bytes = new MemoryStream();
        bytes.Write(Encoding.ASCII.GetBytes(Magic));
        using (var packed = new BrotliStream(bytes, CompressionLevel.SmallestSize, leaveOpen: true))
        {
            var header = Encoding.UTF8.GetBytes(RunJson.Line(Header));
            Span<byte> length = stackalloc byte[4];
            BinaryPrimitives.WriteInt32LittleEndian(length, header.Length);
            packed.Write(length);
            packed.Write(header);
            // By language and not by bucket: neighbours are alike, which packs better.
            var column = new byte[1 << Header.Bits];
            for (var l = 0; l < Header.Languages.Count; l++)
            {
                for (var b = 0; b < column.Length; b++)
                    column[b] = (byte)_weights[b * Lanes + l];
                packed.Write(column);
            }
        }

        AtomicWrite.AllBytes(path, bytes.ToArray());
    }

    /// <summary>Reads a model file.</summary>
    /// <exception cref="UserErrorException">It is missing, or no such model.</exception>
    public static LanguageModel Load(string path)
    {
        try
        {
            using var stream = File.OpenRead(path);
            return Read(stream, path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"The language model {path} cannot be read ({error.Message.TrimEnd('.')}).",
                "Give a file that `corpus train-language` wrote.", error);
        }
    }

    private static LanguageModel Read(Stream stream, string source)
    {
        try
        {
            var magic = new byte[Magic.Length];
            stream.ReadExactly(magic);
            if (Encoding.ASCII.GetString(magic) != Magic)
                throw new InvalidDataException("it begins otherwise");
            using var unpacked = new BrotliStream(stream, CompressionMode.Decompress);
            Span<byte> length = stackalloc byte[4];
            unpacked.ReadExactly(length);
            var size = BinaryPrimitives.ReadInt32LittleEndian(length);
            if (size is <= 0 or > 1 << 20)
                throw new InvalidDataException("its header has no sensible length");
            var json = new byte[size];
            unpacked.ReadExactly(json);
            var header = RunJson.Parse<LanguageModelHeader>(Encoding.UTF8.GetString(json), source);
            if (header.Languages is not { Count: > 0 and <= Lanes } || header.Bits is < 8 or > 20
                || header.Biases?.Count != header.Languages.Count
                || !double.IsFinite(header.Scale) || !header.Biases.All(double.IsFinite))
                throw new InvalidDataException("its header is out of range");
            var weights = new sbyte[(1 << header.Bits) * Lanes];
            var column = new byte[1 << header.Bits];
            for (var l = 0; l < header.Languages.Count; l++)
            {
                unpacked.ReadExactly(column);
                for (var b = 0; b < column.Length; b++)
                    weights[b * Lanes + l] = (sbyte)column[b];
            }

            return new LanguageModel(header, weights);
        }
        catch (Exception error) when (error is InvalidDataException or EndOfStreamException or InvalidOperationException)
        {
            throw new UserErrorException($"{source} is no language model ({error.Message.TrimEnd('.')}).",
                "Give a file that `corpus train-language` wrote.", error);
        }
    }
}
