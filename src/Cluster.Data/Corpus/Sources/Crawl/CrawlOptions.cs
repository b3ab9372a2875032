using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Sources.Crawl;

/// <summary>Where a crawl goes, how far and how fast.</summary>
public sealed record CrawlOptions
{
    /// <summary>Addresses to begin with, at least one.</summary>
    public IReadOnlyList<string> Seeds { get; init; } = [];

    /// <summary>Hosts that may be visited, with their sub-domains; with a port where it is not the usual one. Empty: the hosts of the seeds.</summary>
    public IReadOnlyList<string> Domains { get; init; } = [];

    /// <summary>Most links from a seed to a page, 0 to 1,000.</summary>
    public int MaximumDepth { get; init; } = 8;

    /// <summary>Most pages kept, 1 to 100,000,000.</summary>
    public int MaximumPages { get; init; } = 10_000;

    /// <summary>Most pages of one host, 1 to 100,000,000: what ends a trap that its addresses do not give away.</summary>
    public int MaximumPagesPerHost { get; init; } = 10_000;

    /// <summary>Most bytes of a page, 1 KiB to 512 MiB.</summary>
    public int MaximumPageBytes { get; init; } = 4 << 20;

    /// <summary>Most bytes of all pages, at least 1.</summary>
    public long MaximumBytes { get; init; } = 1L << 30;

    /// <summary>Most requests to one host in a second, above 0 to 1,000; a slower Crawl-delay of the host's counts.</summary>
    public double RequestsPerSecond { get; init; } = 1;

    /// <summary>Longest silence of a server in seconds, above 0 to 3,600.</summary>
    public double StallSeconds { get; init; } = 30;

    /// <summary>Product token in User-Agent and robots.txt.</summary>
    public string Agent { get; init; } = "cluster-crawler";

    internal void Validate(string field)
    {
        if (Seeds.Count == 0)
            throw new UserErrorException($"{field}.seeds is empty.", "Give at least one address.");
        foreach (var seed in Seeds)
        {
            if (CanonicalUrl.Of(null, seed) is null)
                throw new UserErrorException($"{field}.seeds has \"{seed}\".", "Give addresses that begin with http:// or https://.");
        }

        Check("maximum_depth", MaximumDepth, 0, 1_000);
        Check("maximum_pages", MaximumPages, 1, 100_000_000);
        Check("maximum_pages_per_host", MaximumPagesPerHost, 1, 100_000_000);
        Check("maximum_page_bytes", MaximumPageBytes, 1 << 10, 512 << 20);
        Check("maximum_bytes", MaximumBytes, 1, long.MaxValue);
        Check("requests_per_second", RequestsPerSecond, 1e-4, 1_000);
        Check("stall_seconds", StallSeconds, 1e-3, 3_600);

        void Check(string name, double value, double low, double high)
        {
            if (!(value >= low && value <= high))
                throw new UserErrorException(FormattableString.Invariant($"{field}.{name} is {value}."), FormattableString.Invariant($"Give a number from {low} to {high}."));
        }
    }
}
