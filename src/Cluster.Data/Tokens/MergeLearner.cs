// Enters: pieces as bytes with their counts. Leaves: merges in the order in which they are learnt. Does not know: text, files.

using System.Runtime.InteropServices;
using Cluster.Data.Files;

namespace Cluster.Data.Tokens;

/// <summary>
/// Learns merges from counted pieces. Each piece is a run of tokens in one buffer; each pair has its count and the pieces that may hold
/// it, so a merge touches only those. Counts of known pairs only fall, so an entry of the queue that is too high is put back corrected
/// when it surfaces. Tokens and lists of pieces lie in <see cref="ScratchMemory"/> and may outgrow memory; the table of pairs does not.
/// </summary>
internal sealed unsafe class MergeLearner
{
    private const int ListBlock = 1 << 18;

    private readonly ScratchMemory _memory;
    private readonly int* _tokens;
    private readonly long* _weight;
    private readonly PieceRun* _pieces;
    private readonly PairTable _numbers = new(1 << 16);
    private PairState[] _pairs = new PairState[1 << 12];
    private int _pairCount;
    private long _tokenCount;
    private int _pieceCount;

    // What the merge at hand finds: pairs with the piece that holds them, in the order of pieces.
    private readonly List<(int Pair, int Piece)> _found = [];
    private int* _list;
    private long _listLeft;

    /// <param name="pieces">At most so many parts are added.</param>
    /// <param name="bytes">Their bytes in all, at most.</param>
    /// <param name="memory">Takes tokens and lists.</param>
    public MergeLearner(long pieces, long bytes, ScratchMemory memory)
    {
        _memory = memory;
        if (pieces >= int.MaxValue)
            throw new Cluster.Core.Errors.UserErrorException(
                FormattableString.Invariant($"The text has {pieces} different pieces."), "Train on a sample of it: fewer than 2147483647 can be learnt from.");
        _tokens = memory.Allocate<int>(bytes);
        _weight = memory.Allocate<long>(pieces);
        _pieces = memory.Allocate<PieceRun>(pieces);
    }

    /// <summary>Parts of a piece that <see cref="Add"/> makes.</summary>
    public static long PartsOf(long bytes) => (bytes + BytePairTrainer.MaximumPieceBytes - 1) / BytePairTrainer.MaximumPieceBytes;

    /// <summary>Adds one piece.</summary>
    public void Add(ReadOnlySpan<byte> piece, long count)
    {
        for (; piece.Length > 1; piece = piece[Math.Min(piece.Length, BytePairTrainer.MaximumPieceBytes)..])
        {
            var part = piece[..Math.Min(piece.Length, BytePairTrainer.MaximumPieceBytes)];
            if (part.Length < 2)
                continue;
            _pieces[_pieceCount] = new PieceRun { Start = _tokenCount, Length = part.Length };
            _weight[_pieceCount++] = count;
            foreach (var b in part)
                _tokens[_tokenCount++] = b;
        }
    }

    /// <summary>Learns up to <paramref name="limit"/> merges.</summary>
    public Merge[] Learn(int limit, long minimumCount, CancellationToken cancellation)
    {
        CountPairs();
        var merges = new List<Merge>(Math.Min(limit, 1 << 20));
        var queue = new PriorityQueue<int, Candidate>();
        for (var pair = 0; pair < _pairCount; pair++)
            queue.Enqueue(pair, new Candidate(_pairs[pair].Count, _pairs[pair].Key));
        while (merges.Count < limit && queue.TryDequeue(out var pair, out var candidate))
        {
            cancellation.ThrowIfCancellationRequested();
            var state = _pairs[pair];
            if (state.Count != candidate.Count)
            {
                if (state.Count >= minimumCount)
                    queue.Enqueue(pair, new Candidate(state.Count, state.Key));
                continue;
            }

            if (state.Count < minimumCount)
                break;
            var merge = new Merge((int)(state.Key >> 32), (int)(uint)state.Key);
            var made = 256 + merges.Count;
            merges.Add(merge);
            var first = _pairCount;
            for (var i = 0; i < state.PieceCount; i++)
                Apply(merge, made, state.Pieces[i]);
            StoreLists(first);
            for (var fresh = first; fresh < _pairCount; fresh++)
                if (_pairs[fresh].Count >= minimumCount)
                    queue.Enqueue(fresh, new Candidate(_pairs[fresh].Count, _pairs[fresh].Key));
        }

        return [.. merges];
    }

    /// <summary>Pairs of bytes: counted first, so that their lists can be laid out, then listed.</summary>
    private void CountPairs()
    {
        var numbers = new int[1 << 16];
        var last = new int[1 << 16];
        var lengths = new long[1 << 16];
        var counts = new long[1 << 16];
        for (var pass = 0; pass < 2; pass++)
        {
            Array.Fill(last, -1);
            for (var piece = 0; piece < _pieceCount; piece++)
            {
                var tokens = _tokens + _pieces[piece].Start;
                for (var i = 1; i < _pieces[piece].Length; i++)
                {
                    var pair = (tokens[i - 1] << 8) | tokens[i];
                    if (pass == 0)
                        counts[pair] += _weight[piece];
                    if (last[pair] == piece)
                        continue;
                    last[pair] = piece;
                    if (pass == 0)
                    {
                        lengths[pair]++;
                    }
                    else
                    {
                        ref var state = ref _pairs[numbers[pair]];
                        state.Pieces[state.PieceCount++] = piece;
                    }
                }
            }

            if (pass == 1)
                break;
            for (var pair = 0; pair < counts.Length; pair++)
            {
                if (counts[pair] == 0)
                    continue;
                numbers[pair] = NewPair(pair >> 8, pair & 255);
                _pairs[numbers[pair]].Count = counts[pair];
                _pairs[numbers[pair]].Pieces = Room(lengths[pair]);
            }
        }
    }

    private int NewPair(int left, int right)
    {
        var number = _numbers.FindOrAdd(left, right, _pairCount);
        if (number < _pairCount)
            return number;
        if (_pairCount == _pairs.Length)
            Array.Resize(ref _pairs, checked(2 * _pairs.Length));
        _pairs[_pairCount++] = new PairState { Key = ((ulong)(uint)left << 32) | (uint)right };
        return number;
    }

    private void Apply(Merge merge, int made, int piece)
    {
        var tokens = _tokens + _pieces[piece].Start;
        var length = _pieces[piece].Length;
        var weight = _weight[piece];
        var at = 0;
        while (at + 1 < length && (tokens[at] != merge.Left || tokens[at + 1] != merge.Right))
            at++;
        if (at + 1 >= length)
            return;

        var written = at;
        var afterMerge = -1;
        for (var i = at; i < length; written++)
        {
            if (i + 1 >= length || tokens[i] != merge.Left || tokens[i + 1] != merge.Right)
            {
                tokens[written] = tokens[i++];
                continue;
            }

            // The pair before was already taken off as the pair after the previous merge, if that one ended here.
            if (i > 0 && i != afterMerge)
                Remove(tokens[i - 1], merge.Left, weight);
            Remove(merge.Left, merge.Right, weight);
            if (i + 2 < length)
                Remove(merge.Right, tokens[i + 2], weight);
            tokens[written] = made;
            i += 2;
            afterMerge = i;
        }

        _pieces[piece].Length = written;
        for (var i = Math.Max(1, at); i < written; i++)
            if (tokens[i - 1] == made || tokens[i] == made)
            {
                var pair = NewPair(tokens[i - 1], tokens[i]);
                _pairs[pair].Count += weight;
                _found.Add((pair, piece));
            }
    }

    private void Remove(int left, int right, long weight) => _pairs[_numbers.Find(left, right)].Count -= weight;

    /// <summary>Lays out the lists of the pairs that one merge made: the new token is in all of them, so no older pair has grown.</summary>
    private void StoreLists(int first)
    {
        foreach (var (pair, _) in _found)
            _pairs[pair].PieceCount++;
        for (var pair = first; pair < _pairCount; pair++)
        {
            _pairs[pair].Pieces = Room(_pairs[pair].PieceCount);
            _pairs[pair].PieceCount = 0;
        }

        foreach (var (pair, piece) in _found)
        {
            ref var state = ref _pairs[pair];
            if (state.PieceCount == 0 || state.Pieces[state.PieceCount - 1] != piece)
                state.Pieces[state.PieceCount++] = piece;
        }

        _found.Clear();
    }

    private int* Room(long count)
    {
        if (count > _listLeft)
        {
            _listLeft = Math.Max(ListBlock, count);
            _list = _memory.Allocate<int>(_listLeft);
        }

        var room = _list;
        _list += count;
        _listLeft -= count;
        return room;
    }

    private struct PieceRun
    {
        public long Start;
        public int Length;
    }

    private struct PairState
    {
        public ulong Key;
        public long Count;
        public int* Pieces;
        public int PieceCount;
    }

    /// <summary>Higher count first, then smaller left id, then smaller right id (the pair's key has the left id above).</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Candidate(long Count, ulong Pair) : IComparable<Candidate>
    {
        public int CompareTo(Candidate other) => Count != other.Count ? other.Count.CompareTo(Count) : Pair.CompareTo(other.Pair);
    }
}
