using System.Runtime.InteropServices;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>
/// The total order that decides which copy stays: the smallest rank of a cluster. Documents of earlier corpora come before those at hand
/// (they are used already and can't be dropped), earlier corpora in their order; then higher quality, in steps of 2^-24; then longer
/// texts; then the smaller partition, then the smaller index. No two documents have the same rank, and the rank names the document.
/// </summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct DocumentRank(ulong Preference, ulong Place) : IComparable<DocumentRank>
{
    /// <summary>Earlier corpora beside one at hand.</summary>
    public const int MaximumEarlier = 254;

    private const int AtHand = 255;
    private const uint QualitySteps = (1 << 24) - 1;

    public DocumentKey Key => new(
        Preference >> 56 == AtHand ? 0 : (int)(Preference >> 56) + 1, (int)(Place >> 32), (int)(uint)Place);

    public bool IsAtHand => Preference >> 56 == AtHand;

    public static DocumentRank Of(DocumentKey key, uint quality, uint length) => new(
        ((ulong)(key.Corpus == 0 ? AtHand : key.Corpus - 1) << 56) | ((ulong)(QualitySteps - quality) << 32) | (uint.MaxValue - length),
        ((ulong)(uint)key.Partition << 32) | (uint)key.Index);

    /// <summary>A quality in [0, 1], anything else brought into it, as a whole number of 24 bits.</summary>
    public static uint QualityStep(double quality) => double.IsNaN(quality) ? 0 : (uint)Math.Round(Math.Clamp(quality, 0, 1) * QualitySteps);

    public int CompareTo(DocumentRank other) =>
        Preference != other.Preference ? Preference.CompareTo(other.Preference) : Place.CompareTo(other.Place);
}
