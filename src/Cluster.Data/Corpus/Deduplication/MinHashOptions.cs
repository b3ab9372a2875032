using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>What a shingle is made of.</summary>
public enum ShingleKind
{
    /// <summary>Runs of words (runs of letters and digits, lower-cased).</summary>
    Words,

    /// <summary>Runs of characters of the lower-cased text in which anything but letters and digits is one space: for scripts without spaces.</summary>
    Characters,
}

/// <summary>
/// How near-duplicates are found. Two texts whose sets of shingles have Jaccard similarity s share a bucket with probability
/// 1 - (1 - s^rows)^bands (Leskovec, Rajaraman, Ullman, "Mining of Massive Datasets", section 3.4). The defaults are FineWeb's (Penedo et
/// al. 2024): word 5-grams, 14 bands of 8 rows, which finds 56, 77, 92 and 98.8 % of pairs at 0.70, 0.75, 0.80 and 0.85.
/// </summary>
public sealed record MinHashOptions
{
    /// <summary>Words or characters.</summary>
    public ShingleKind Shingles { get; init; } = ShingleKind.Words;

    /// <summary>Words or characters per shingle, 1 to 64. A shorter text is one shingle.</summary>
    public int ShingleLength { get; init; } = 5;

    /// <summary>Bands, 1 to 256.</summary>
    public int Bands { get; init; } = 14;

    /// <summary>Hashes per band, 1 to 64.</summary>
    public int Rows { get; init; } = 8;

    /// <summary>Chooses the hash functions.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Hash functions in all.</summary>
    public int Permutations => Bands * Rows;

    internal string Scheme => FormattableString.Invariant(
        $"minhash {(Shingles == ShingleKind.Words ? "words" : "characters")} {ShingleLength} bands {Bands} rows {Rows} seed {Seed}");

    /// <summary>The probability that two texts of Jaccard similarity <paramref name="similarity"/> share a bucket.</summary>
    public double Recall(double similarity) => 1 - Math.Pow(1 - Math.Pow(similarity, Rows), Bands);

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="UserErrorException">A value is out of range; it is named.</exception>
    public MinHashOptions Validate()
    {
        Check("shingle_length", ShingleLength, 64);
        Check("bands", Bands, 256);
        Check("rows", Rows, 64);
        return this;

        static void Check(string name, int value, int most)
        {
            if (value < 1 || value > most)
                throw new UserErrorException(FormattableString.Invariant($"{name} is {value}."), FormattableString.Invariant($"Give 1 to {most}."));
        }
    }
}
