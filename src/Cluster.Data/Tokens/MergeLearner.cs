// Enters: pieces as bytes with their counts. Leaves: merges in the order in which they are learnt. Does not know: text, files.

using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Cluster.Core.Errors;
using Cluster.Data.Files;

namespace Cluster.Data.Tokens;

/// <summary>
/// Learns merges from counted pieces. Each piece is a record of its count and its tokens; each pair has its count and the pieces that may
/// hold it, so a merge touches only those, and threads share them: pieces do not know of each other, and what shares find adds up to the
/// same integers however it is split. Records and lists of pieces lie in <see cref="ScratchMemory"/> and may outgrow memory; the table of
/// pairs does not.
/// </summary>
internal sealed unsafe class MergeLearner : IDisposable
{
    /// <summary>
    /// A merge of fewer pieces is one thread's: handing a share over costs as much as some dozen pieces, waking a thread some hundred.
    /// </summary>
    public const int PiecesPerShare = 256;

    private const int ListBlock = 1 << 18;

    // A piece's number is the place of its record in units of so many ints.
    private const int Unit = 4;
    private const int HeaderInts = 3;
    private const int PiecesPerBlock = 256;

    // Vectors of tokens may be read beyond the last record.
    private const int Slack = 16;

    // Records are fetched so many pieces before their turn.
    private const int Ahead = 8;

    private readonly ScratchMemory _memory;
    private readonly HelperTeam _team;
    private readonly PairTally[] _shares;
    private readonly int _piecesPerShare;
    private readonly int _limit;
    private readonly Action<int> _applyShare, _listShare;

    private readonly int* _records;
    private readonly List<long> _blocks = [];
    private long _end;
    private long _pieceCount;

    private readonly PairTable _numbers = new(1 << 16);
    private ulong[] _keys = new ulong[1 << 12];
    private long[] _counts = new long[1 << 12];
    private PieceList[] _lists = new PieceList[1 << 12];
    private int _pairCount;
    private (Merge Merge, int Made, PieceList Pieces, int Shares) _applied;
    private uint* _room;
    private long _roomLeft;

    /// <param name="pieces">At most so many parts are added.</param>
    /// <param name="bytes">Their bytes in all, at most.</param>
    /// <param name="limit">Merges to learn at most.</param>
    /// <param name="threads">Threads that share large merges, the caller's included; at least 1. The result does not depend on it.</param>
    /// <param name="memory">Takes records and lists.</param>
    /// <param name="piecesPerShare">Fewest pieces of a thread's share of a merge; the result does not depend on it.</param>
    public MergeLearner(long pieces, long bytes, int limit, int threads, ScratchMemory memory, int piecesPerShare = PiecesPerShare)
    {
        (_memory, _piecesPerShare, _limit) = (memory, piecesPerShare, limit);
        var ints = bytes + (HeaderInts + Unit - 1) * pieces;
        if (ints / Unit >= Tally.NoPiece)
            throw new UserErrorException(
                FormattableString.Invariant($"The text has {pieces} different pieces of {bytes} bytes in all."),
                "Train on a sample of it: bytes and six for each piece must be fewer than 17179869180.");
        _records = memory.Allocate<int>(ints + Slack);
        _shares = [.. Enumerable.Range(0, threads).Select(_ => new PairTally(Math.Max(1 << 16, 2 * (256 + limit)), memory))];
        _team = new HelperTeam(threads - 1);
        (_applyShare, _listShare) = (ApplyShare, ListShare);
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
            if (_pieceCount++ % PiecesPerBlock == 0)
                _blocks.Add(_end);
            var record = (Record*)(_records + _end);
            (record->Weight, record->Length) = (count, part.Length);
            for (var i = 0; i < part.Length; i++)
                record->Tokens[i] = part[i];
            _end += IntsOf(part.Length);
        }
    }

    /// <summary>Learns merges until the limit is reached or no pair has <paramref name="minimumCount"/>.</summary>
    public Merge[] Learn(long minimumCount, CancellationToken cancellation)
    {
        CountPairs(minimumCount);
        var merges = new List<Merge>(Math.Min(_limit, 1 << 20));
        // Holds the pairs of at least the floor only, each with a count that it had; the others can't be next while it holds any.
        var queue = new PriorityQueue<int, Candidate>();
        var floor = Math.Max(minimumCount, _counts.Max()) + 1;
        while (merges.Count < _limit)
        {
            if (!queue.TryDequeue(out var pair, out var candidate))
            {
                if (floor <= minimumCount)
                    break;
                floor = Math.Max(minimumCount, floor - 1 - floor / 8);
                EnqueueAll(queue, floor);
                continue;
            }

            cancellation.ThrowIfCancellationRequested();
            var count = _counts[pair];
            if (count != candidate.Count)
            {
                // Counts of known pairs only fall: it takes its place again with the count that it has by now.
                if (count >= floor)
                    queue.Enqueue(pair, new Candidate(count, _keys[pair]));
                continue;
            }

            var key = _keys[pair];
            var merge = new Merge((int)(key >> 32), (int)(uint)key);
            var fresh = _pairCount;
            Apply(merge, 256 + merges.Count, _lists[pair], minimumCount);
            _counts[pair] = 0;
            merges.Add(merge);
            for (; fresh < _pairCount; fresh++)
                if (_counts[fresh] >= floor)
                    queue.Enqueue(fresh, new Candidate(_counts[fresh], _keys[fresh]));
        }

        return [.. merges];
    }

    public void Dispose()
    {
        _team.Dispose();
        foreach (var share in _shares)
            share.Dispose();
    }

    private static long IntsOf(int length) => (HeaderInts + length + Unit - 1) / Unit * Unit;

    private void EnqueueAll(PriorityQueue<int, Candidate> queue, long floor)
    {
        var counts = _counts.AsSpan(0, _pairCount);
        var least = new Vector<long>(floor);
        for (var i = 0; i < counts.Length; i += Vector<long>.Count)
        {
            // Places without a pair have a count of zero.
            if (!Vector.GreaterThanOrEqualAny(new Vector<long>(_counts, i), least))
                continue;
            for (var pair = i; pair < i + Vector<long>.Count; pair++)
                if (_counts[pair] >= floor)
                    queue.Enqueue(pair, new Candidate(_counts[pair], _keys[pair]));
        }
    }

    /// <summary>Pairs of bytes: counted first, so that their lists can be laid out, then listed.</summary>
    private void CountPairs(long minimumCount)
    {
        _team.Run(_shares.Length, number => ReadPairs(number, list: false));
        LayOut(_shares.Length, key => (key >> 8, key & 255), minimumCount);
        _team.Run(_shares.Length, number =>
        {
            ReadPairs(number, list: true);
            _shares[number].Clear();
        });
    }

    private void ReadPairs(int number, bool list)
    {
        var share = _shares[number];
        var end = BlockOf(number + 1);
        for (var at = BlockOf(number); at < end;)
        {
            var record = (Record*)(_records + at);
            var piece = (uint)(at / Unit);
            for (var i = 1; i < record->Length; i++)
            {
                var key = (record->Tokens[i - 1] << 8) | record->Tokens[i];
                if (list)
                    share.List(key, piece);
                else
                    share.Count(key, record->Weight, piece);
            }

            at += IntsOf(record->Length);
        }
    }

    /// <summary>Where the records of a share begin, by count of pieces.</summary>
    private long BlockOf(int share)
    {
        var block = (int)((long)_blocks.Count * share / _shares.Length);
        return block == _blocks.Count ? _end : _blocks[block];
    }

    /// <summary>
    /// Merges a pair in all pieces that hold it. The keys of what it finds: twice the neighbour, plus one if it stands to the right.
    /// </summary>
    private void Apply(Merge merge, int made, PieceList pieces, long minimumCount)
    {
        var shares = (int)Math.Clamp(pieces.Count / _piecesPerShare, 1, _shares.Length);
        _applied = (merge, made, pieces, shares);
        _team.Run(shares, _applyShare);
        foreach (var share in _shares.AsSpan(0, shares))
        {
            foreach (var key in share.Keys)
            {
                var ((left, right), (newLeft, newRight)) = (PairBefore(merge, made, key), PairAfter(made, key));
                _numbers.Prefetch(left, right);
                _numbers.Prefetch(newLeft, newRight);
            }
        }

        foreach (var share in _shares.AsSpan(0, shares))
        {
            foreach (var key in share.Keys)
            {
                var (left, right) = PairBefore(merge, made, key);
                if (_numbers.Find(left, right) is >= 0 and var number)
                    _counts[number] -= share[key].Weight;
            }
        }

        LayOut(shares, key => PairAfter(made, key), minimumCount);
        _team.Run(shares, _listShare);
    }

    /// <summary>The pair that stood where a merge left one with the new token.</summary>
    private static (int Left, int Right) PairBefore(Merge merge, int made, int key)
    {
        // Between two pairs that are merged side by side stood the right of one and the left of the other.
        var neighbour = key >> 1 == made ? merge.Left : key >> 1;
        return (key & 1) == 0 ? (neighbour, merge.Left) : (merge.Right, neighbour);
    }

    private static (int Left, int Right) PairAfter(int made, int key) => (key & 1) == 0 ? (key >> 1, made) : (made, key >> 1);

    private void ApplyShare(int number)
    {
        var (merge, made, pieces, shares) = _applied;
        var share = _shares[number];
        var end = pieces.Count * (number + 1) / shares;
        var start = pieces.Count * number / shares;
        for (var i = start - Ahead; i < end; i++)
        {
            if (i + Ahead < end && Sse.IsSupported)
                Sse.Prefetch0(_records + (long)pieces.First[i + Ahead] * Unit);
            if (i >= start)
                Apply(merge, made, pieces.First[i], share);
        }
    }

    private void ListShare(int number)
    {
        _shares[number].ListFound();
        _shares[number].Clear();
    }

    private void Apply(Merge merge, int made, uint piece, PairTally share)
    {
        var record = (Record*)(_records + (long)piece * Unit);
        var tokens = record->Tokens;
        var (length, weight) = (record->Length, record->Weight);
        var read = Next(merge, tokens, 0, length);
        if (read == length)
            return;
        var written = read;
        while (read < length)
        {
            // The pair before was noted as the one after the previous merge, if that one ended here.
            if (written > 0 && tokens[written - 1] != made)
                share.Note(tokens[written - 1] << 1, weight, piece);
            tokens[written++] = made;
            read += 2;
            var next = Next(merge, tokens, read, length);
            if (read < length)
                share.Note(((next == read ? made : tokens[read]) << 1) | 1, weight, piece);
            while (read < next)
                tokens[written++] = tokens[read++];
        }

        record->Length = written;
    }

    /// <summary>Where the pair is next, from <paramref name="at"/> on; <paramref name="length"/> if it is not.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Next(Merge merge, int* tokens, int at, int length)
    {
        var (left, right) = (Vector256.Create(merge.Left), Vector256.Create(merge.Right));
        for (; at < length - 1; at += Vector256<int>.Count)
        {
            var equal = Vector256.Equals(Vector256.Load(tokens + at), left) & Vector256.Equals(Vector256.Load(tokens + at + 1), right);
            var hits = equal.ExtractMostSignificantBits();
            if (hits == 0)
                continue;
            // What lies beyond the piece may look like the pair.
            at += BitOperations.TrailingZeroCount(hits);
            return at < length - 1 ? at : length;
        }

        return length;
    }

    /// <summary>
    /// Adds up what shares counted and makes room for the lists of new pairs: one after another in it, in the order of shares. The new
    /// token is in all of them, so no older pair has grown. A pair below the minimum count will never be merged: nothing is kept of it.
    /// </summary>
    private void LayOut(int shares, Func<int, (int Left, int Right)> pairOf, long minimumCount)
    {
        var all = _shares[0];
        foreach (var share in _shares.AsSpan(1, shares - 1))
            foreach (var key in share.Keys)
                all.Add(key, share[key]);
        foreach (var key in all.Keys)
        {
            ref var tally = ref all[key];
            uint* room = null;
            if (tally.Weight >= minimumCount)
            {
                room = Room(tally.Entries);
                AddPair(pairOf(key), tally.Weight, new PieceList { First = room, Count = tally.Entries });
            }

            // What is left for the first share are its own entries.
            var rest = room + tally.Entries;
            for (var i = shares - 1; i > 0; i--)
            {
                ref var own = ref _shares[i][key];
                if (own.Entries == 0)
                    continue;
                rest -= own.Entries;
                own.LayOut(room == null ? null : rest);
            }

            tally.LayOut(room);
        }
    }

    private void AddPair((int Left, int Right) pair, long count, PieceList list)
    {
        if (_pairCount == _counts.Length)
        {
            Array.Resize(ref _keys, checked(2 * _pairCount));
            Array.Resize(ref _counts, 2 * _pairCount);
            Array.Resize(ref _lists, 2 * _pairCount);
        }

        _numbers.FindOrAdd(pair.Left, pair.Right, _pairCount);
        _keys[_pairCount] = ((ulong)(uint)pair.Left << 32) | (uint)pair.Right;
        _counts[_pairCount] = count;
        _lists[_pairCount++] = list;
    }

    private uint* Room(long count)
    {
        if (count > _roomLeft)
        {
            _roomLeft = Math.Max(ListBlock, count);
            _room = _memory.Allocate<uint>(_roomLeft);
        }

        var room = _room;
        _room += count;
        _roomLeft -= count;
        return room;
    }

    /// <summary>A piece; its tokens follow, at most as many as at first.</summary>
    [StructLayout(LayoutKind.Sequential, Pack = 4)]
    private struct Record
    {
        public long Weight;
        public int Length;

        public int* Tokens => (int*)((Record*)Unsafe.AsPointer(ref this) + 1);
    }

    private struct PieceList
    {
        public uint* First;
        public long Count;
    }

    /// <summary>Higher count first, then smaller left id, then smaller right id (the pair's key has the left id above).</summary>
    [StructLayout(LayoutKind.Auto)]
    private readonly record struct Candidate(long Count, ulong Pair) : IComparable<Candidate>
    {
        public int CompareTo(Candidate other) => Count != other.Count ? other.Count.CompareTo(Count) : Pair.CompareTo(other.Pair);
    }
}
