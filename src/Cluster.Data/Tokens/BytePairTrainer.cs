// Enters: documents and a vocabulary size. Leaves: the merges in the order in which they were learnt.
// Does not know: how text is encoded with them (BytePairTokenizer does), nor files.

using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;
using System.Text;
using Cluster.Core.Errors;

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

    /// <summary>Threads that count words, 1 or more. The result does not depend on it.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;
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

    private const int DocumentsPerTake = 32;

    /// <summary>Learns merges from <paramref name="documents"/>.</summary>
    /// <returns>
    /// <see cref="BytePairTrainerOptions.VocabularySize"/> - 256 - <see cref="SpecialTokens.Count"/> merges, or fewer if no pair
    /// with the minimum count is left. Merge i makes token 256 + i.
    /// </returns>
    /// <exception cref="UserErrorException">An option is out of range.</exception>
    public static Merge[] Train(IEnumerable<string> documents, BytePairTrainerOptions options, CancellationToken cancellation = default)
    {
        Validate(options);
        var words = CountWords(documents, options, cancellation);
        return new Run(words).Learn(options.VocabularySize - 256 - SpecialTokens.Count, options.MinimumCount, cancellation);
    }

    private static void Validate(BytePairTrainerOptions options)
    {
        const int smallest = 256 + SpecialTokens.Count;
        if (options.VocabularySize is < smallest or > 1_000_000)
            throw new UserErrorException(
                FormattableString.Invariant($"The vocabulary size is {options.VocabularySize}."),
                FormattableString.Invariant($"Give a size from {smallest} (256 bytes and {SpecialTokens.Count} special tokens) to 1000000."));
        if (options.MinimumCount < 1)
            throw new UserErrorException(FormattableString.Invariant($"The minimum count is {options.MinimumCount}."), "Give 1 or more.");
        if (options.MaximumBytes < 1)
            throw new UserErrorException(FormattableString.Invariant($"The byte cap is {options.MaximumBytes}."), "Give 1 or more.");
        if (options.Workers < 1)
            throw new UserErrorException(FormattableString.Invariant($"The number of workers is {options.Workers}."), "Give 1 or more.");
    }

    private static Dictionary<string, long> CountWords(
        IEnumerable<string> documents, BytePairTrainerOptions options, CancellationToken cancellation)
    {
        using var source = Capped(documents, options.MaximumBytes).GetEnumerator();
        var counts = new Dictionary<string, long>[options.Workers];
        void Count(int worker)
        {
            var own = counts[worker] = new Dictionary<string, long>(StringComparer.Ordinal);
            var lookup = own.GetAlternateLookup<ReadOnlySpan<char>>();
            var taken = new List<string>(DocumentsPerTake);
            while (true)
            {
                taken.Clear();
                lock (source)
                {
                    while (taken.Count < DocumentsPerTake && source.MoveNext())
                        taken.Add(source.Current);
                }

                if (taken.Count == 0)
                    return;
                foreach (var document in taken)
                {
                    cancellation.ThrowIfCancellationRequested();
                    for (var rest = document.AsSpan(); !rest.IsEmpty;)
                    {
                        var length = PreTokenizer.FirstPieceLength(rest);
                        CollectionsMarshal.GetValueRefOrAddDefault(lookup, rest[..length], out _)++;
                        rest = rest[length..];
                    }
                }
            }
        }

        try
        {
            Parallel.For(0, options.Workers, new ParallelOptions { CancellationToken = cancellation }, Count);
        }
        catch (AggregateException e) when (e.InnerExceptions[0] is UserErrorException)
        {
            // The source's own complaint (an unreadable file) is the user's to read, not the fact that it rose on a worker.
            ExceptionDispatchInfo.Throw(e.InnerExceptions[0]);
        }

        // Sums of whole numbers: the same in any order.
        var total = counts[0];
        foreach (var other in counts.Skip(1))
            foreach (var (word, count) in other)
                CollectionsMarshal.GetValueRefOrAddDefault(total, word, out _) += count;
        return total;
    }

    private static IEnumerable<string> Capped(IEnumerable<string> documents, long? maximumBytes)
    {
        var left = maximumBytes ?? long.MaxValue;
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

    private sealed class PairState
    {
        public long Count;
        public readonly List<int> Words = [];
    }

    /// <summary>Higher count first, then smaller left id, then smaller right id (the pair's key has the left id above).</summary>
    private readonly record struct Candidate(long Count, ulong Pair) : IComparable<Candidate>
    {
        public int CompareTo(Candidate other) => Count != other.Count ? other.Count.CompareTo(Count) : Pair.CompareTo(other.Pair);
    }

    /// <summary>
    /// The words as token sequences in one buffer, with the count of each pair and the words that may hold it. A merge touches
    /// only those words. Counts of known pairs only fall, so a heap entry that is too high is put back corrected when it surfaces.
    /// </summary>
    private sealed class Run
    {
        private readonly int[] _tokens;
        private readonly int[] _start;
        private readonly int[] _length;
        private readonly long[] _weight;
        private readonly Dictionary<ulong, PairState> _pairs = [];
        private readonly List<ulong> _newPairs = [];

        public Run(Dictionary<string, long> words)
        {
            var tokens = new List<int>();
            List<int> start = [], length = [];
            List<long> weight = [];
            foreach (var (word, count) in words)
            {
                foreach (var part in Encoding.UTF8.GetBytes(word).Chunk(MaximumPieceBytes))
                {
                    if (part.Length < 2)
                        continue;
                    start.Add(tokens.Count);
                    length.Add(part.Length);
                    weight.Add(count);
                    foreach (var b in part)
                        tokens.Add(b);
                }
            }

            (_tokens, _start, _length, _weight) = ([.. tokens], [.. start], [.. length], [.. weight]);
            for (var word = 0; word < _start.Length; word++)
                for (var i = 1; i < _length[word]; i++)
                    Add(_tokens[_start[word] + i - 1], _tokens[_start[word] + i], word);
        }

        public Merge[] Learn(int limit, long minimumCount, CancellationToken cancellation)
        {
            var merges = new List<Merge>();
            var heap = new PriorityQueue<ulong, Candidate>();
            PushNewPairs(heap);
            while (merges.Count < limit && heap.TryDequeue(out var pair, out var candidate))
            {
                cancellation.ThrowIfCancellationRequested();
                var state = _pairs[pair];
                if (state.Count != candidate.Count)
                {
                    if (state.Count > 0)
                        heap.Enqueue(pair, new Candidate(state.Count, pair));
                    continue;
                }

                if (state.Count < minimumCount)
                    break;
                var merge = new Merge((int)(pair >> 32), (int)(uint)pair);
                var made = 256 + merges.Count;
                merges.Add(merge);
                foreach (var word in state.Words)
                    Apply(merge, made, word);
                _pairs.Remove(pair);
                PushNewPairs(heap);
            }

            return [.. merges];
        }

        private void PushNewPairs(PriorityQueue<ulong, Candidate> heap)
        {
            foreach (var pair in _newPairs)
                heap.Enqueue(pair, new Candidate(_pairs[pair].Count, pair));
            _newPairs.Clear();
        }

        private void Apply(Merge merge, int made, int word)
        {
            var tokens = _tokens.AsSpan(_start[word], _length[word]);
            var written = 0;
            var afterMerge = -1;
            for (var i = 0; i < tokens.Length; written++)
            {
                if (i + 1 >= tokens.Length || tokens[i] != merge.Left || tokens[i + 1] != merge.Right)
                {
                    tokens[written] = tokens[i++];
                    continue;
                }

                // The pair before was already taken off as the pair after the previous merge, if that one ended here.
                if (i > 0 && i != afterMerge)
                    Remove(tokens[i - 1], merge.Left, word);
                Remove(merge.Left, merge.Right, word);
                if (i + 2 < tokens.Length)
                    Remove(merge.Right, tokens[i + 2], word);
                tokens[written] = made;
                i += 2;
                afterMerge = i;
            }

            _length[word] = written;
            for (var i = 1; i < written; i++)
                if (tokens[i - 1] == made || tokens[i] == made)
                    Add(tokens[i - 1], tokens[i], word);
        }

        private void Add(int left, int right, int word)
        {
            var key = ((ulong)(uint)left << 32) | (uint)right;
            ref var state = ref CollectionsMarshal.GetValueRefOrAddDefault(_pairs, key, out var known);
            if (!known)
            {
                state = new PairState();
                _newPairs.Add(key);
            }

            state!.Count += _weight[word];
            if (state.Words.Count == 0 || state.Words[^1] != word)
                state.Words.Add(word);
        }

        private void Remove(int left, int right, int word) =>
            _pairs[((ulong)(uint)left << 32) | (uint)right].Count -= _weight[word];
    }
}
