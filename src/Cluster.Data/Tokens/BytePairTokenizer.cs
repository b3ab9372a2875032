// Enters: text and merges. Leaves: ids and text again. Does not know: how merges are learnt, nor files.

using System.Buffers;
using System.Collections.Immutable;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using System.Text.Unicode;
using Cluster.Core.Errors;

namespace Cluster.Data.Tokens;

/// <summary>
/// Byte-level byte-pair encoding. Ids 0 to 255 are the bytes, 256 + i is what merge i makes, the special tokens follow. Any bytes
/// can be encoded and come back unchanged. Encoding a piece of n bytes takes O(n log n) at worst. Without merges it is the byte
/// tokenizer: one token per byte.
/// </summary>
public sealed class BytePairTokenizer : ITokenizer
{
    // Up to here a scan for the best pair beats a heap.
    private const int ShortPieceBytes = 48;

    private const int MostIdsOfAnEntry = 3 * PieceCache.MaximumChars;
    private const int BufferedIds = 1024;

    private readonly PairTable _made;
    private readonly byte[][] _bytes;
    private readonly TokenTrie? _trie;
    private readonly PieceCache _cache = new();

    /// <param name="merges">The merges in the order in which they were learnt; each names tokens that exist by then.</param>
    /// <param name="segmentation">How pieces are cut.</param>
    /// <exception cref="UserErrorException">A merge names a token that does not exist yet, or makes one that already does or is longer than training makes.</exception>
    public BytePairTokenizer(IEnumerable<Merge> merges, Segmentation segmentation = Segmentation.MergeOrder)
    {
        Merges = [.. merges];
        Segmentation = segmentation;
        Special = new SpecialTokens(256 + Merges.Length);
        _made = new PairTable(Merges.Length);
        _bytes = new byte[VocabularySize][];
        for (var i = 0; i < 256; i++)
            _bytes[i] = [(byte)i];
        var known = new HashSet<string>(StringComparer.Ordinal);
        for (var i = 0; i < Merges.Length; i++)
        {
            var (left, right) = Merges[i];
            var id = 256 + i;
            if ((uint)left >= id || (uint)right >= id)
                throw Invalid(i, "names a token that does not exist yet");
            if (_bytes[left].Length + _bytes[right].Length > BytePairTrainer.MaximumPieceBytes)
                throw Invalid(i, FormattableString.Invariant($"makes a token of more than {BytePairTrainer.MaximumPieceBytes} bytes"));
            _bytes[id] = [.. _bytes[left], .. _bytes[right]];
            if (!known.Add(Encoding.Latin1.GetString(_bytes[id])))
                throw Invalid(i, "makes a token that an earlier one makes");
            _made.FindOrAdd(left, right, id);
        }

        for (var id = Special.FirstId; id < VocabularySize; id++)
            _bytes[id] = Encoding.UTF8.GetBytes(Special.Spelling(id));

        if (segmentation == Segmentation.LongestMatch)
        {
            _trie = new TokenTrie();
            for (var id = 0; id < Special.FirstId; id++)
                _trie.Add(_bytes[id], id);
        }

        UserErrorException Invalid(int index, string why) => new(
            FormattableString.Invariant($"Merge {index} ({Merges[index].Left}, {Merges[index].Right}) {why}."), "Train the tokenizer anew.");
    }

    /// <summary>The merges in the order in which they were learnt.</summary>
    public ImmutableArray<Merge> Merges { get; }

    /// <summary>How pieces are cut.</summary>
    public Segmentation Segmentation { get; }

    /// <inheritdoc/>
    public int VocabularySize => Special.FirstId + SpecialTokens.Count;

    /// <inheritdoc/>
    public SpecialTokens Special { get; }

    /// <summary>The tokenizer whose tokens are single bytes: 256 and the special ones.</summary>
    public static BytePairTokenizer OfBytes() => new([]);

    /// <summary>The tokenizer that training for a smaller vocabulary would have made: the first <paramref name="count"/> merges.</summary>
    public BytePairTokenizer WithFirstMerges(int count) => new(Merges.AsSpan()[..count].ToArray(), Segmentation);

    /// <inheritdoc/>
    public int[] Encode(string text, bool allowSpecial = false)
    {
        var ids = new List<int>(text.Length / 3 + 1);
        var rest = text.AsSpan();
        while (allowSpecial && Special.IndexOf(rest, out var id, out var length) is >= 0 and var at)
        {
            Encode(rest[..at], ids);
            ids.Add(id);
            rest = rest[(at + length)..];
        }

        Encode(rest, ids);
        return [.. ids];
    }

    /// <inheritdoc/>
    [SkipLocalsInit]
    public void Encode(ReadOnlySpan<char> text, List<int> destination)
    {
        // Ids gather here first: a list checks and counts for each id, a span does not.
        Span<int> ids = stackalloc int[BufferedIds];
        var count = 0;
        while (!text.IsEmpty)
        {
            var length = PreTokenizer.FirstPiece(text, out var key);
            var known = !key.IsEmpty ? _cache.Find(key) : length <= PieceCache.MaximumChars ? _cache.Find(text[..length]) : null;
            if (known is null)
            {
                destination.AddRange(ids[..count]);
                count = 0;
                EncodeNew(text[..length], key, destination);
            }
            else
            {
                if (count + MostIdsOfAnEntry > ids.Length)
                {
                    destination.AddRange(ids[..count]);
                    count = 0;
                }

                known.CopyTo(ids[count..]);
                count += known.Count;
            }

            text = text[length..];
        }

        destination.AddRange(ids[..count]);
    }

    /// <summary>The ids of <paramref name="bytes"/>. Each stretch that is not UTF-8 is a piece of its own; the text between is cut as text is.</summary>
    public int[] EncodeBytes(ReadOnlySpan<byte> bytes)
    {
        var ids = new List<int>(bytes.Length / 3 + 1);
        while (!bytes.IsEmpty)
        {
            var valid = ValidPrefix(bytes);
            Encode(Encoding.UTF8.GetString(bytes[..valid]), ids);
            bytes = bytes[valid..];

            var invalid = 0;
            while (invalid < bytes.Length && Rune.DecodeFromUtf8(bytes[invalid..], out _, out var width) != OperationStatus.Done)
                invalid += width;
            EncodePiece(bytes[..invalid], ids);
            bytes = bytes[invalid..];
        }

        return [.. ids];
    }

    /// <inheritdoc/>
    public string Decode(ReadOnlySpan<int> ids)
    {
        var bytes = new ArrayBufferWriter<byte>(4 * ids.Length + 1);
        foreach (var id in ids)
            bytes.Write(TokenBytes(id));
        return Encoding.UTF8.GetString(bytes.WrittenSpan);
    }

    /// <inheritdoc/>
    public ReadOnlySpan<byte> TokenBytes(int id) => (uint)id < (uint)_bytes.Length ? _bytes[id] : throw VocabularyErrors.OutOfRange(id, VocabularySize);

    private void EncodeNew(ReadOnlySpan<char> piece, PieceKey key, List<int> destination)
    {
        // Three bytes per char at most; a lone surrogate becomes U+FFFD, which is three too.
        var rented = ArrayPool<byte>.Shared.Rent(3 * piece.Length);
        var written = Encoding.UTF8.GetBytes(piece, rented);
        var before = destination.Count;
        EncodePiece(rented.AsSpan(0, written), destination);
        ArrayPool<byte>.Shared.Return(rented);
        if (piece.Length <= PieceCache.MaximumChars)
            _cache.Add(key, piece, CollectionsMarshal.AsSpan(destination)[before..]);
    }

    private static int ValidPrefix(ReadOnlySpan<byte> bytes)
    {
        if (Utf8.IsValid(bytes))
            return bytes.Length;
        var valid = 0;
        while (Rune.DecodeFromUtf8(bytes[valid..], out _, out var width) == OperationStatus.Done)
            valid += width;
        return valid;
    }

    private void EncodePiece(ReadOnlySpan<byte> piece, List<int> destination)
    {
        if (piece.IsEmpty)
            return;
        if (_trie is not null)
            EncodeLongest(_trie, piece, destination);
        else if (piece.Length <= ShortPieceBytes)
            EncodeShort(piece, destination);
        else
            EncodeLong(piece, destination);
    }

    private static void EncodeLongest(TokenTrie trie, ReadOnlySpan<byte> piece, List<int> destination)
    {
        while (!piece.IsEmpty)
        {
            destination.Add(trie.Longest(piece, out var length));
            piece = piece[length..];
        }
    }

    // What a merge makes has a higher id than its parts, so "the lowest id that any pair makes, leftmost first, until none makes
    // any" applies the merges one after the other, each from left to right.
    [SkipLocalsInit]
    private void EncodeShort(ReadOnlySpan<byte> piece, List<int> destination)
    {
        Span<int> tokens = stackalloc int[ShortPieceBytes];
        Span<int> made = stackalloc int[ShortPieceBytes];
        var count = piece.Length;
        for (var i = 0; i < count; i++)
            tokens[i] = piece[i];
        for (var i = 0; i + 1 < count; i++)
            made[i] = Made(tokens[i], tokens[i + 1]);

        while (count > 1)
        {
            var best = 0;
            for (var i = 1; i + 1 < count; i++)
                if (made[i] < made[best])
                    best = i;
            if (made[best] == int.MaxValue)
                break;

            tokens[best] = made[best];
            tokens[(best + 2)..count].CopyTo(tokens[(best + 1)..]);
            made[(best + 1)..(count - 1)].CopyTo(made[best..]);
            count--;
            if (best > 0)
                made[best - 1] = Made(tokens[best - 1], tokens[best]);
            if (best + 1 < count)
                made[best] = Made(tokens[best], tokens[best + 1]);
        }

        destination.AddRange(tokens[..count]);
    }

    /// <summary>The same over a linked list, with a heap of (what the pair makes, position); stale entries are dropped when they surface.</summary>
    private void EncodeLong(ReadOnlySpan<byte> piece, List<int> destination)
    {
        var n = piece.Length;
        int[] tokens = new int[n], next = new int[n], previous = new int[n];
        var entries = new List<(int, ulong)>(n);
        for (var i = 0; i < n; i++)
        {
            tokens[i] = piece[i];
            next[i] = i + 1;
            previous[i] = i - 1;
            if (i + 1 < n && Made(piece[i], piece[i + 1]) is < int.MaxValue and var made)
                entries.Add((i, ((ulong)made << 32) | (uint)i));
        }

        var heap = new PriorityQueue<int, ulong>(entries);
        while (heap.TryDequeue(out var at, out var priority))
        {
            var made = (int)(priority >> 32);
            if (tokens[at] < 0 || next[at] >= n || Made(tokens[at], tokens[next[at]]) != made)
                continue;

            var gone = next[at];
            tokens[at] = made;
            tokens[gone] = -1;
            next[at] = next[gone];
            if (next[at] < n)
            {
                previous[next[at]] = at;
                Push(at);
            }

            if (previous[at] >= 0)
                Push(previous[at]);
        }

        for (var i = 0; i < n; i = next[i])
            destination.Add(tokens[i]);

        void Push(int left)
        {
            if (Made(tokens[left], tokens[next[left]]) is < int.MaxValue and var pair)
                heap.Enqueue(left, ((ulong)pair << 32) | (uint)left);
        }
    }

    private int Made(int left, int right) => _made.Find(left, right) is >= 0 and var id ? id : int.MaxValue;
}
