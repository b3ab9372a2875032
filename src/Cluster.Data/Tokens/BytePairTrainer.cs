// Enters: documents and a vocabulary size. Leaves: the merges in the order in which they were learnt.
// Does not know: how text is encoded with them (BytePairTokenizer does), nor files.

using System.Runtime.ExceptionServices;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Data.Files;

namespace Cluster.Data.Tokens;

/// <summary>One learnt merge: token <paramref name="Left"/> followed by token <paramref name="Right"/> become one new token.</summary>
public readonly record struct Merge(int Left, int Right);

/// <summary>What a trainer is asked for.</summary>
public sealed record BytePairTrainerOptions
{
    /// <summary>Ids of the vocabulary: 256 bytes, one per merge, and the special tokens; 272 to 1,000,000.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>A pair seen fewer times than this is not merged; 1 or more. A pair seen once is chance, hence 2.</summary>
    public long MinimumCount { get; init; } = 2;

    /// <summary>Reads at most this many UTF-8 bytes, from the first document on; the last one read is cut. Null for all.</summary>
    public long? MaximumBytes { get; init; }

    /// <summary>Threads that count pieces and share large merges, 1 or more. The result does not depend on it.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>
    /// Bytes for pieces, their counts and the lists of who holds which pair; what doesn't fit goes to disk. 4 MiB or more. The table of
    /// pairs comes on top (about 80 bytes for each of some hundred thousand), and 40 bytes for each id and worker. The result does not depend
    /// on it.
    /// </summary>
    public long MemoryBytes { get; init; } = 1L << 30;

    /// <summary>Where files that outgrow memory go; null for the system's temporary folder.</summary>
    public string? ScratchFolder { get; init; }
}

/// <summary>
/// Byte-level byte-pair encoding (Sennrich et al., "Neural Machine Translation of Rare Words with Subword Units", 2016; over
/// bytes as in GPT-2). It starts from the 256 bytes and merges, again and again, the most frequent pair of adjacent tokens
/// inside the pieces of <see cref="PreTokenizer"/>. Among pairs of equal count the smaller left id wins, then the smaller right
/// id. Hence the merges are a function of the multiset of pieces, whatever the order of documents or the number of workers.
/// </summary>
public static class BytePairTrainer
{
    /// <summary>Pieces of more bytes are counted as consecutive parts of this many, so that each merge costs little in any of them.</summary>
    public const int MaximumPieceBytes = 1024;

    /// <summary>Fewest ids of a vocabulary: the bytes and the special tokens.</summary>
    public const int SmallestVocabulary = 256 + SpecialTokens.Count;

    /// <summary>Most ids of a vocabulary.</summary>
    public const int LargestVocabulary = 1_000_000;

    /// <summary>Characters that a thread takes at a time, about: some tenth of a millisecond's counting.</summary>
    private const int CharactersPerTake = 1 << 16;

    /// <summary>Learns merges from <paramref name="documents"/>.</summary>
    /// <returns>
    /// <see cref="BytePairTrainerOptions.VocabularySize"/> - 256 - <see cref="SpecialTokens.Count"/> merges, or fewer if no pair
    /// with the minimum count is left. Merge i makes token 256 + i.
    /// </returns>
    /// <exception cref="UserErrorException">An option is out of range, or a disk is full.</exception>
    public static Merge[] Train(IEnumerable<string> documents, BytePairTrainerOptions options, CancellationToken cancellation = default)
    {
        using var counted = Count(documents, options, cancellation);
        return Learn(counted, options, cancellation);
    }

    /// <summary>The first half of <see cref="Train"/>, which threads share: how often each piece occurs.</summary>
    /// <param name="documents">Read once, by one thread at a time.</param>
    /// <param name="options">Workers, memory, scratch folder and the cap on bytes count here.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="UserErrorException">An option is out of range, or a disk is full.</exception>
    public static CountedPieces Count(IEnumerable<string> documents, BytePairTrainerOptions options, CancellationToken cancellation = default)
    {
        Validate(options);
        var counters = new PieceCounter[options.Workers];
        try
        {
            for (var worker = 0; worker < counters.Length; worker++)
                counters[worker] = new PieceCounter(Math.Max(PieceCounter.SmallestMemory, options.MemoryBytes / 2 / options.Workers), options.ScratchFolder);
            Count(documents, counters, options.MaximumBytes, cancellation);
            if (counters.All(counter => counter.Spills == 0))
            {
                AddUp(counters);
                return new CountedPieces(counters, counters[0].Table);
            }

            foreach (var counter in counters)
                counter.Spill();
            return new CountedPieces(counters, null);
        }
        catch
        {
            foreach (var counter in counters)
                counter?.Dispose();
            throw;
        }
    }

    /// <summary>The second half: each merge depends on the one before, and threads share those that touch many pieces.</summary>
    /// <param name="pieces">Of <see cref="Count(IEnumerable{string}, BytePairTrainerOptions, CancellationToken)"/>; may be learnt from more than once.</param>
    /// <param name="options">Vocabulary, least count, workers, memory and scratch folder count here.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="UserErrorException">An option is out of range, or a disk is full.</exception>
    public static Merge[] Learn(CountedPieces pieces, BytePairTrainerOptions options, CancellationToken cancellation = default)
    {
        Validate(options);
        return pieces.Table is { } table ? Learn(table, options, cancellation) : TrainFromCounts(pieces.Runs, options, cancellation);
    }

    /// <summary>
    /// Learns merges from the counts of partitions: the same merges that <see cref="Train"/> learns from all their documents, whatever the
    /// number of partitions.
    /// </summary>
    /// <param name="countFiles">Files of <see cref="PieceCounter.Save"/>, each partition once, in any order.</param>
    /// <param name="options">As for <see cref="Train"/>; the cap on bytes does not apply.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="UserErrorException">An option is out of range, a file is missing or damaged, or a disk is full.</exception>
    public static Merge[] TrainFromCounts(IReadOnlyList<string> countFiles, BytePairTrainerOptions options, CancellationToken cancellation = default)
    {
        Validate(options);
        using var scratch = new Scratch(options.ScratchFolder);
        return Scratch.Guard(() =>
        {
            var merged = Path.Combine(scratch.Path, "merged");
            PieceCountFile.Merge(countFiles, merged, scratch.Path, cancellation);
            using var reader = new PieceCountFile.Reader(merged);
            using var memory = new ScratchMemory(scratch.Path, options.MemoryBytes);
            var parts = reader.Pieces + MergeLearner.PartsOf(reader.Bytes);
            using var learner = new MergeLearner(parts, reader.Bytes, Merges(options), options.Workers, memory);
            while (reader.Read())
                learner.Add(reader.Piece, reader.Count);
            return learner.Learn(options.MinimumCount, cancellation);
        });
    }

    private static int Merges(BytePairTrainerOptions options) => options.VocabularySize - SmallestVocabulary;

    private static Merge[] Learn(PieceTable table, BytePairTrainerOptions options, CancellationToken cancellation)
    {
        using var scratch = new Scratch(options.ScratchFolder);
        return Scratch.Guard(() =>
        {
            using var memory = new ScratchMemory(scratch.Path, options.MemoryBytes / 2);
            long parts = 0, bytes = 0;
            table.ForEach((piece, _) =>
            {
                parts += MergeLearner.PartsOf(piece.Length);
                bytes += piece.Length;
            });
            using var learner = new MergeLearner(parts, bytes, Merges(options), options.Workers, memory);
            table.ForEach(learner.Add);
            return learner.Learn(options.MinimumCount, cancellation);
        });
    }

    private static void Validate(BytePairTrainerOptions options)
    {
        if (options.VocabularySize is < SmallestVocabulary or > LargestVocabulary)
            throw new UserErrorException(
                FormattableString.Invariant($"The vocabulary size is {options.VocabularySize}."),
                FormattableString.Invariant($"Give a size from {SmallestVocabulary} (256 bytes and {SpecialTokens.Count} special tokens) to {LargestVocabulary}."));
        if (options.MinimumCount < 1)
            throw new UserErrorException(FormattableString.Invariant($"The minimum count is {options.MinimumCount}."), "Give 1 or more.");
        if (options.MaximumBytes < 1)
            throw new UserErrorException(FormattableString.Invariant($"The byte cap is {options.MaximumBytes}."), "Give 1 or more.");
        if (options.MemoryBytes < 1 << 22)
            throw new UserErrorException(FormattableString.Invariant($"memory_bytes is {options.MemoryBytes}."), "Give 4194304 or more.");
        if (options.Workers < 1)
            throw new UserErrorException(FormattableString.Invariant($"The number of workers is {options.Workers}."), "Give 1 or more.");
    }

    private static void Count(IEnumerable<string> documents, PieceCounter[] counters, long? maximumBytes, CancellationToken cancellation)
    {
        using var source = Parts(maximumBytes is { } most ? Capped(documents, most) : documents).GetEnumerator();
        void CountAs(int worker)
        {
            var taken = new List<ReadOnlyMemory<char>>();
            while (true)
            {
                taken.Clear();
                lock (source)
                {
                    for (var characters = 0; characters < CharactersPerTake && source.MoveNext(); characters += source.Current.Length)
                        taken.Add(source.Current);
                }

                if (taken.Count == 0)
                    return;
                foreach (var part in taken)
                {
                    cancellation.ThrowIfCancellationRequested();
                    counters[worker].Add(part.Span);
                }
            }
        }

        try
        {
            Parallel.For(0, counters.Length, new ParallelOptions { CancellationToken = cancellation }, CountAs);
        }
        catch (AggregateException e) when (e.InnerExceptions[0] is UserErrorException)
        {
            // The source's own complaint (an unreadable file) is the user's to read, not the fact that it rose on a worker.
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }
    }

    /// <summary>Adds all tables to the first, pair by pair, so that threads share that as well.</summary>
    private static void AddUp(PieceCounter[] counters)
    {
        for (var apart = 1; apart < counters.Length; apart *= 2)
        {
            var distance = apart;
            Parallel.For(0, (counters.Length + distance - 1) / (2 * distance), pair =>
                counters[2 * distance * pair].Table.Add(counters[2 * distance * pair + distance].Table));
        }
    }

    /// <summary>Documents, long ones cut where a piece ends, so that no thread is left with one when the others are done.</summary>
    private static IEnumerable<ReadOnlyMemory<char>> Parts(IEnumerable<string> documents)
    {
        foreach (var document in documents)
        {
            for (var rest = document.AsMemory(); !rest.IsEmpty;)
            {
                var length = PreTokenizer.CutAfter(rest.Span, CharactersPerTake);
                yield return rest[..length];
                rest = rest[length..];
            }
        }
    }

    private static IEnumerable<string> Capped(IEnumerable<string> documents, long maximumBytes)
    {
        var left = maximumBytes;
        foreach (var document in documents)
        {
            var bytes = Encoding.UTF8.GetByteCount(document);
            if (bytes <= left)
            {
                left -= bytes;
                yield return document;
            }
            else
            {
                yield return Prefix(document, left);
                yield break;
            }

            if (left == 0)
                yield break;
        }
    }

    private static string Prefix(string document, long bytes)
    {
        var chars = 0;
        foreach (var rune in document.EnumerateRunes())
        {
            bytes -= rune.Utf8SequenceLength;
            if (bytes < 0)
                break;
            chars += rune.Utf16SequenceLength;
        }

        return document[..chars];
    }
}
