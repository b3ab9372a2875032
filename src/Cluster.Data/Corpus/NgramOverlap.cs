using System.Runtime.InteropServices;
using Cluster.Data.Corpus.Decontamination;

namespace Cluster.Data.Corpus;

/// <summary>How much of the held-out text occurs in the training text.</summary>
/// <param name="N">Words per n-gram.</param>
/// <param name="Ngrams">n-grams of the held-out text, with repetition.</param>
/// <param name="NgramsInTraining">Those that occur in the training text.</param>
/// <param name="Documents">Held-out documents of at least n words.</param>
/// <param name="DocumentsWithAny">Those with at least one such n-gram.</param>
/// <param name="DocumentsOverHalf">Those with more than half of theirs.</param>
/// <param name="DocumentsTooShort">Held-out documents of fewer than n words: nothing can be said of them.</param>
/// <param name="DocumentsRemoved">Held-out documents removed for too much overlap; the other figures are of what remained.</param>
public sealed record NgramOverlapReport(
    int N, long Ngrams, long NgramsInTraining, int Documents, int DocumentsWithAny, int DocumentsOverHalf, int DocumentsTooShort,
    int DocumentsRemoved)
{
    /// <summary>Share of the held-out n-grams that occur in training, in [0, 1].</summary>
    public double Share => Ngrams == 0 ? 0 : NgramsInTraining / (double)Ngrams;
}

/// <summary>
/// Overlap of word n-grams between training and held-out text, as GPT-3 measured contamination with 13-grams (Brown et al. 2020,
/// appendix C). Words are runs of letters and digits, lower-cased. An n-gram is a 64-bit polynomial hash, so that a false match has
/// odds of about (training n-grams × held-out n-grams) / 2^64. Only the held-out n-grams are kept in memory (about 32 bytes each); the
/// training text streams past them.
/// </summary>
public static class NgramOverlap
{
    /// <summary>Words per n-gram.</summary>
    public const int DefaultN = 13;

    /// <summary>For each held-out document: its n-grams, and how many of them occur in training.</summary>
    public static IReadOnlyList<(int Ngrams, int InTraining)> PerDocument(
        IReadOnlyList<Document> train, IReadOnlyList<Document> heldOut, int workers, int n = DefaultN,
        CancellationToken cancellation = default)
    {
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation };
        var hashes = new List<ulong>[heldOut.Count];
        Parallel.For(0, heldOut.Count, parallel, i => hashes[i] = Hashes(heldOut[i].Text, n));

        var index = new NgramIndex(hashes);

        // Marks only ever go from false to true, so the order in which threads set them does not matter.
        var found = new bool[index.Count];
        Parallel.ForEach(train, parallel, document =>
        {
            foreach (var hash in Hashes(document.Text, n))
            {
                if (index.PlaceOf(hash) is >= 0 and var place)
                    found[place] = true;
            }
        });

        return [.. hashes.Select(list => (list.Count, list.Count(hash => found[index.PlaceOf(hash)])))];
    }

    /// <summary>Sums up <see cref="PerDocument"/>.</summary>
    public static NgramOverlapReport Report(IReadOnlyList<(int Ngrams, int InTraining)> documents, int removed, int n = DefaultN) => new(
        n,
        documents.Sum(document => (long)document.Ngrams),
        documents.Sum(document => (long)document.InTraining),
        documents.Count(document => document.Ngrams > 0),
        documents.Count(document => document.InTraining > 0),
        documents.Count(document => document.InTraining * 2L > document.Ngrams),
        documents.Count(document => document.Ngrams == 0),
        removed);

    private static List<ulong> Hashes(string text, int n)
    {
        List<ulong> words = new(text.Length / 6 + 1), hashes = [];
        WordNgrams.Words(text, words);
        WordNgrams.Hashes(CollectionsMarshal.AsSpan(words), n, hashes);
        return hashes;
    }
}
