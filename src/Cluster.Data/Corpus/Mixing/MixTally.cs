using System.Text;

namespace Cluster.Data.Corpus.Mixing;

/// <summary>How much text a domain has.</summary>
/// <param name="Documents">Documents.</param>
/// <param name="Bytes">Their UTF-8 bytes.</param>
/// <param name="WeightedBytes">Their bytes, each document's times its weight in thousandths: whole numbers add up alike in any order.</param>
public readonly record struct DomainSize(long Documents, long Bytes, long WeightedBytes)
{
    /// <summary>The sum.</summary>
    public static DomainSize operator +(DomainSize a, DomainSize b) => a.Plus(b);

    /// <summary>The sum.</summary>
    public DomainSize Plus(DomainSize other) => new(Documents + other.Documents, Bytes + other.Bytes, WeightedBytes + other.WeightedBytes);
}

/// <summary>Adds up the sizes of domains; tallies of partitions merge to the same whole in any order. One thread at a time.</summary>
public sealed class MixTally
{
    private readonly SortedDictionary<string, DomainSize> _sizes = new(StringComparer.Ordinal);

    /// <summary>Domains in ordinal order.</summary>
    public IReadOnlyDictionary<string, DomainSize> Sizes => _sizes;

    /// <summary>Counts a document <paramref name="times"/> times.</summary>
    public void Add(string domain, Document document, int times = 1)
    {
        if (times == 0)
            return;
        var bytes = (long)times * Encoding.UTF8.GetByteCount(document.Text);
        Add(domain, new DomainSize(times, bytes, bytes * WeightThousandths(document)));
    }

    /// <summary>Counts what another tally, or a file of a partition, says.</summary>
    public void Add(string domain, DomainSize size) => _sizes[domain] = _sizes.GetValueOrDefault(domain) + size;

    /// <summary>A document's weight in thousandths, 1 to 1,000,000.</summary>
    internal static long WeightThousandths(Document document) =>
        double.IsNaN(document.Metadata.Weight) ? 1000 : (long)Math.Round(Math.Clamp(document.Metadata.Weight, 0.001, 1000) * 1000);
}
