using System.Numerics;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>
/// Counts of a part of a corpus that add up in any order to the same whole: whole numbers only. Not thread-safe; each partition has its own.
/// </summary>
public sealed record CorpusStatistics
{
    /// <summary>Equal parts of [0, 1] in a quality histogram.</summary>
    public const int QualityBins = 20;

    /// <summary>What each stage received and kept, in the recipe's order.</summary>
    public List<StageCounts> Stages { get; init; } = [];

    /// <summary>By source: documents and bytes that entered and that stay.</summary>
    public SortedDictionary<string, FlowCounts> Sources { get; init; } = new(StringComparer.Ordinal);

    /// <summary>By language code ("unknown" where none is stated or found): documents and bytes that entered and that stay.</summary>
    public SortedDictionary<string, FlowCounts> Languages { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Documents that stay by the power of two below their length in characters: "9" is 512 to 1,023.</summary>
    public SortedDictionary<int, FlowCounts> Lengths { get; init; } = [];

    /// <summary>Documents that stay by quality, in <see cref="QualityBins"/> equal parts of [0, 1].</summary>
    public long[] Quality { get; init; } = new long[QualityBins];

    /// <summary>What could not be read, by reason.</summary>
    public SortedDictionary<string, FailureCounts> Failures { get; init; } = new(StringComparer.Ordinal);

    /// <summary>Adds the counts of another part.</summary>
    public void Add(CorpusStatistics other)
    {
        foreach (var stage in other.Stages)
        {
            var own = Stage(stage.Name);
            own.In += stage.In;
            own.Out += stage.Out;
            own.BytesIn += stage.BytesIn;
            own.BytesOut += stage.BytesOut;
            foreach (var (rule, count) in stage.Dropped)
                own.Dropped[rule] = own.Dropped.GetValueOrDefault(rule) + count;
        }

        Merge(Sources, other.Sources);
        Merge(Languages, other.Languages);
        Merge(Lengths, other.Lengths);
        for (var i = 0; i < QualityBins; i++)
            Quality[i] += other.Quality[i];
        foreach (var (reason, counts) in other.Failures)
        {
            if (!Failures.TryGetValue(reason, out var own))
                Failures.Add(reason, own = new FailureCounts());
            own.Items += counts.Items;
            own.Bytes += counts.Bytes;
        }

        static void Merge<TKey>(SortedDictionary<TKey, FlowCounts> into, SortedDictionary<TKey, FlowCounts> from)
            where TKey : notnull
        {
            foreach (var (key, counts) in from)
            {
                if (!into.TryGetValue(key, out var own))
                    into.Add(key, own = new FlowCounts());
                own.In += counts.In;
                own.BytesIn += counts.BytesIn;
                own.Out += counts.Out;
                own.BytesOut += counts.BytesOut;
            }
        }
    }

    internal StageCounts Stage(string name)
    {
        foreach (var stage in Stages)
        {
            if (stage.Name == name)
                return stage;
        }

        var added = new StageCounts { Name = name };
        Stages.Add(added);
        return added;
    }

    internal void Entered(Document document, long bytes)
    {
        Flow(Sources, document.Metadata.Dataset ?? "unknown").Enter(bytes);
    }

    /// <summary>A document left the phase that decides about it; its language is known by now if any stage finds it.</summary>
    internal void Judged(Document document, long bytes) => Flow(Languages, document.Metadata.Language ?? "unknown").Enter(bytes);

    internal void Stays(Document document, long bytes, int copies = 1)
    {
        Flow(Sources, document.Metadata.Dataset ?? "unknown").Leave(bytes, copies);
        Flow(Languages, document.Metadata.Language ?? "unknown").Leave(bytes, copies);
        Flow(Lengths, BitOperations.Log2((uint)Math.Max(1, document.Text.Length))).Leave(bytes, copies);
        Quality[Math.Clamp((int)(document.Quality * QualityBins), 0, QualityBins - 1)] += copies;
    }

    internal void Failed(string reason, long bytes)
    {
        if (!Failures.TryGetValue(reason, out var counts))
            Failures.Add(reason, counts = new FailureCounts());
        counts.Items++;
        counts.Bytes += bytes;
    }

    private static FlowCounts Flow<TKey>(SortedDictionary<TKey, FlowCounts> flows, TKey key)
        where TKey : notnull
    {
        if (!flows.TryGetValue(key, out var counts))
            flows.Add(key, counts = new FlowCounts());
        return counts;
    }
}

/// <summary>What a stage received, kept and dropped.</summary>
public sealed record StageCounts
{
    /// <summary>The stage.</summary>
    public required string Name { get; init; }

    /// <summary>Documents that entered.</summary>
    public long In { get; set; }

    /// <summary>Documents that left.</summary>
    public long Out { get; set; }

    /// <summary>UTF-8 bytes of those that entered.</summary>
    public long BytesIn { get; set; }

    /// <summary>UTF-8 bytes of those that left, as they left.</summary>
    public long BytesOut { get; set; }

    /// <summary>Dropped documents by rule; their sum is In − Out.</summary>
    public SortedDictionary<string, long> Dropped { get; init; } = new(StringComparer.Ordinal);

    internal void Drop(string rule) => Dropped[rule] = Dropped.GetValueOrDefault(rule) + 1;
}

/// <summary>Documents and bytes that entered and that stay.</summary>
public sealed record FlowCounts
{
    /// <summary>Documents that entered.</summary>
    public long In { get; set; }

    /// <summary>Their UTF-8 bytes.</summary>
    public long BytesIn { get; set; }

    /// <summary>Documents that stay, repeats counted.</summary>
    public long Out { get; set; }

    /// <summary>Their UTF-8 bytes, repeats counted.</summary>
    public long BytesOut { get; set; }

    internal void Enter(long bytes)
    {
        In++;
        BytesIn += bytes;
    }

    internal void Leave(long bytes, int copies)
    {
        Out += copies;
        BytesOut += bytes * copies;
    }
}

/// <summary>What could not be read for one reason.</summary>
public sealed record FailureCounts
{
    /// <summary>Files, records, pages.</summary>
    public long Items { get; set; }

    /// <summary>Bytes of input lost with them, as far as known.</summary>
    public long Bytes { get; set; }
}
