namespace Cluster.Data.Corpus;

/// <summary>The best tenth of a corpus, for the annealing phase.</summary>
public static class DecileSelection
{
    /// <summary>
    /// The documents of highest quality, a tenth of them rounded up, in the corpus's order. Of equal qualities the ordinally smaller id
    /// comes first.
    /// </summary>
    public static IReadOnlyList<Document> Best(IReadOnlyList<Document> documents)
    {
        var chosen = documents.OrderByDescending(document => document.Quality).ThenBy(document => document.Id, StringComparer.Ordinal)
            .Take((documents.Count + 9) / 10).Select(document => document.Id).ToHashSet(StringComparer.Ordinal);
        return [.. documents.Where(document => chosen.Contains(document.Id))];
    }
}
