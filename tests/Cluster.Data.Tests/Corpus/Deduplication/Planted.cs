using Cluster.Core.Randomness;
using Cluster.Data.Corpus.Deduplication;

namespace Cluster.Data.Tests.Corpus.Deduplication;

/// <summary>Texts of random words, pairs of a known Jaccard similarity, and what the resolvers say of them.</summary>
internal static class Planted
{
    /// <summary>Different streams share no word 5-gram: 26^7 words, five in a row.</summary>
    public static string[] Words(ulong stream, int count)
    {
        var random = new CounterRandom(11, RandomPurpose.Synthetic, stream);
        return [.. Enumerable.Range(0, count).Select(i => string.Create(7, random.UInt64((ulong)i), (span, bits) =>
        {
            foreach (ref var c in span)
                (c, bits) = ((char)('a' + bits % 26), bits / 26);
        }))];
    }

    /// <summary>
    /// Two texts whose sets of word 5-grams, <paramref name="shingles"/> each, have <paramref name="shared"/> in common: Jaccard similarity
    /// shared / (2 shingles - shared), exactly.
    /// </summary>
    public static (string A, string B) Pair(ulong stream, int shingles, int shared)
    {
        var a = Words(2 * stream, shingles + 4);
        string[] b = [.. a[..(shared + 4)], .. Words(2 * stream + 1, shingles - shared)];
        return (string.Join(' ', a), string.Join(' ', b));
    }

    /// <summary>Every decision as text, by partition, of near-duplicate search.</summary>
    public static (List<string> Decisions, DuplicateReport Report) Near(
        IReadOnlyList<IReadOnlyList<(string Text, double Quality)>> partitions, MinHashOptions? options = null, ResolverResources? resources = null,
        double? minimum = null, IReadOnlyList<IReadOnlyList<(string Text, double Quality)>>? earlier = null, bool reversed = false)
    {
        using var folder = new TempFolder();
        var files = Write("now", partitions);
        List<List<string>> before = earlier is null ? [] : [Write("before", earlier)];
        if (reversed)
            files.Reverse();
        Directory.CreateDirectory(folder.In("scratch"));
        var report = DuplicateResolver.Resolve(files, before, folder.In("decisions"), minimum,
            (resources ?? new ResolverResources { Workers = 2 }) with { ScratchFolder = folder.In("scratch") });
        Assert.Empty(Directory.GetFileSystemEntries(folder.In("scratch")));
        return (Decisions(folder.In("decisions"), partitions.Count), report);

        List<string> Write(string name, IReadOnlyList<IReadOnlyList<(string Text, double Quality)>> all)
        {
            var paths = new List<string>();
            for (var partition = 0; partition < all.Count; partition++)
            {
                paths.Add(folder.In($"{name}-{partition}"));
                using var writer = new SignatureWriter(paths[^1], partition, options ?? new MinHashOptions());
                foreach (var (text, quality) in all[partition])
                    writer.Add(text, quality);
                writer.Complete();
            }

            return paths;
        }
    }

    public static List<string> Decisions(string folder, int partitions) =>
    [
        .. Enumerable.Range(0, partitions).SelectMany(partition => DecisionReader.Read(DecisionReader.PathOf(folder, partition))
            .Select(d => FormattableString.Invariant(
                $"{partition}/{d.Index}/{d.Unit} < {d.Kept.Corpus}:{d.Kept.Partition}/{d.Kept.Index}/{d.KeptUnit} {d.Similarity:0.###}"))),
    ];
}
