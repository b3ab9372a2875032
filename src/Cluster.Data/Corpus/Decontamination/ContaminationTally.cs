// Enters: what documents have of the evaluation sets. Leaves: how much of each set a corpus has. Does not know: texts.

using System.Text.Json;
using Cluster.Core.Errors;
using Cluster.Core.Files;

namespace Cluster.Data.Corpus.Decontamination;

/// <summary>How much of an evaluation set occurs in a corpus: to be shown beside the benchmark's score.</summary>
/// <param name="Set">Its name.</param>
/// <param name="Items">Its items.</param>
/// <param name="ItemsTooShort">Items of too few words for any n-gram: nothing can be said of them.</param>
/// <param name="ItemsWithAny">Items of which at least one n-gram occurs.</param>
/// <param name="ItemsOverHalf">Items of which more than half of the n-grams occur.</param>
/// <param name="Ngrams">n-grams of all items, with repetition.</param>
/// <param name="NgramsFound">Those that occur.</param>
/// <param name="Documents">Documents that have any.</param>
/// <param name="Hits">Places in documents that have one.</param>
/// <param name="DirtyItems">Positions in the set of the items with any, ascending: a score without them is the clean one.</param>
public sealed record SetContamination(
    string Set, int Items, int ItemsTooShort, int ItemsWithAny, int ItemsOverHalf, long Ngrams, long NgramsFound, long Documents, long Hits,
    IReadOnlyList<int> DirtyItems)
{
    /// <summary>Share of the items that can be judged that have any n-gram in the corpus, in [0, 1].</summary>
    public double Share => Items == ItemsTooShort ? 0 : ItemsWithAny / (double)(Items - ItemsTooShort);
}

/// <summary>
/// Adds up what documents have of the evaluation sets. Counts and marks only grow, so tallies of partitions merge to the same whole in any
/// order. One thread at a time.
/// </summary>
public sealed class ContaminationTally(EvaluationIndex index)
{
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower };

    private readonly byte[] _found = new byte[(index.Ngrams + 7) / 8];
    private readonly long[] _documents = new long[index.SetNames.Count];
    private readonly long[] _hits = new long[index.SetNames.Count];

    /// <summary>Counts one document.</summary>
    public void Add(ContaminationFinding finding)
    {
        for (var set = 0; set < finding.Hits.Count; set++)
        {
            _documents[set] += finding.Hits[set] > 0 ? 1 : 0;
            _hits[set] += finding.Hits[set];
        }

        foreach (var place in finding.Places)
            _found[place >> 3] |= (byte)(1 << (place & 7));
    }

    /// <summary>Adds what a partition's file says.</summary>
    /// <exception cref="UserErrorException">It is missing, damaged, or about other evaluation sets.</exception>
    public void Add(string path)
    {
        Stored stored;
        try
        {
            stored = JsonSerializer.Deserialize<Stored>(File.ReadAllBytes(path), Json) ?? throw new JsonException();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or JsonException)
        {
            throw new UserErrorException($"{path} can't be read ({e.Message.Split(" Path: ")[0].TrimEnd('.')}).", "Make its partition anew.", e);
        }

        if (stored.Index != index.Fingerprint || stored.Found.Length != _found.Length
            || stored.Documents.Length != _documents.Length || stored.Hits.Length != _hits.Length)
            throw new UserErrorException($"{path} is about other evaluation sets.", "Make its partition anew.");
        for (var i = 0; i < _found.Length; i++)
            _found[i] |= stored.Found[i];
        for (var set = 0; set < _documents.Length; set++)
        {
            _documents[set] += stored.Documents[set];
            _hits[set] += stored.Hits[set];
        }
    }

    /// <summary>Writes it to a file, whole or not at all.</summary>
    /// <exception cref="UserErrorException">The file can't be written.</exception>
    public void Save(string path) =>
        AtomicWrite.AllBytes(path, JsonSerializer.SerializeToUtf8Bytes(new Stored(index.Fingerprint, _documents, _hits, _found), Json));

    /// <summary>A row for each set, in the index's order.</summary>
    public IReadOnlyList<SetContamination> Report() =>
    [
        .. index.SetNames.Select((name, set) =>
        {
            var items = index.ItemsOf(set);
            var found = items.Select(item => item.Count(place => (_found[place >> 3] >> (place & 7) & 1) != 0)).ToArray();
            return new SetContamination(
                name, items.Count, items.Count(item => item.Length == 0), found.Count(count => count > 0),
                Enumerable.Range(0, items.Count).Count(i => found[i] * 2L > items[i].Length), items.Sum(item => (long)item.Length),
                found.Sum(count => (long)count), _documents[set], _hits[set], [.. Enumerable.Range(0, items.Count).Where(i => found[i] > 0)]);
        }),
    ];

    private sealed record Stored(string Index, long[] Documents, long[] Hits, byte[] Found);
}
