// Enters: pieces with their counts, ascending. Leaves: a file, and the pieces again; several files as one. Does not know: text, merges.

using System.Buffers.Binary;
using Cluster.Core.Errors;
using Cluster.Data.Files;

namespace Cluster.Data.Tokens;

/// <summary>
/// Counts of pieces on disk: 32 bytes of header (magic, number of pieces, their bytes in all, zeros; little-endian), then for each piece its
/// length, its bytes and its count, numbers as 7-bit groups, low ones first. Ascending by bytes, each piece once.
/// </summary>
internal static class PieceCountFile
{
    private const int HeaderBytes = 32;
    private const int MostAtOnce = 128;
    private static ReadOnlySpan<byte> Magic => "CLPIECE1"u8;

    /// <summary>Writes a file whole or not at all; equal pieces that follow each other become one.</summary>
    public sealed class Writer : IDisposable
    {
        private readonly AsideFile _file;
        private byte[] _last = [];
        private int _lastLength = -1;
        private long _lastCount, _pieces, _bytes;

        /// <exception cref="UserErrorException">The file can't be written.</exception>
        public Writer(string path) => _file = new AsideFile(path, HeaderBytes);

        public void Add(ReadOnlySpan<byte> piece, long count)
        {
            if (_lastLength >= 0 && piece.SequenceEqual(_last.AsSpan(0, _lastLength)))
            {
                _lastCount += count;
                return;
            }

            Flush();
            if (_last.Length < piece.Length)
                _last = new byte[Math.Max(64, 2 * piece.Length)];
            piece.CopyTo(_last);
            (_lastLength, _lastCount) = (piece.Length, count);
        }

        public void Complete()
        {
            Flush();
            var header = new byte[HeaderBytes];
            Magic.CopyTo(header);
            BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(8), _pieces);
            BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(16), _bytes);
            _file.Complete(header);
        }

        public void Dispose() => _file.Dispose();

        private void Flush()
        {
            if (_lastLength < 0)
                return;
            Number(_lastLength);
            _file.Write(_last.AsSpan(0, _lastLength));
            Number(_lastCount);
            _pieces++;
            _bytes += _lastLength;
            _lastLength = -1;
        }

        private void Number(long value)
        {
            Span<byte> groups = stackalloc byte[10];
            var length = 0;
            for (; value >= 128; value >>= 7)
                groups[length++] = (byte)(value | 128);
            groups[length++] = (byte)value;
            _file.Write(groups[..length]);
        }
    }

    /// <summary>Reads a file from its beginning to its end.</summary>
    public sealed class Reader : IDisposable
    {
        private readonly string _path;
        private readonly FileStream _file;
        private byte[] _piece = new byte[64];
        private int _length;
        private long _read, _readBytes;

        /// <exception cref="UserErrorException">The file is missing or of another kind.</exception>
        public Reader(string path)
        {
            _path = path;
            try
            {
                _file = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16, FileOptions.SequentialScan);
            }
            catch (Exception e) when (e is IOException or UnauthorizedAccessException)
            {
                throw new UserErrorException($"{path} can't be read ({e.Message.TrimEnd('.')}).", "Count its partition anew.", e);
            }

            var header = new byte[HeaderBytes];
            if (_file.ReadAtLeast(header, HeaderBytes, throwOnEndOfStream: false) < HeaderBytes || !header.AsSpan(0, 8).SequenceEqual(Magic))
            {
                _file.Dispose();
                throw Damaged();
            }

            Pieces = BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(8));
            Bytes = BinaryPrimitives.ReadInt64LittleEndian(header.AsSpan(16));
        }

        /// <summary>Pieces in the file.</summary>
        public long Pieces { get; }

        /// <summary>Their bytes.</summary>
        public long Bytes { get; }

        public ReadOnlySpan<byte> Piece => _piece.AsSpan(0, _length);

        public long Count { get; private set; }

        /// <summary>Goes to the next piece.</summary>
        /// <exception cref="UserErrorException">The file is damaged.</exception>
        public bool Read()
        {
            if (_read == Pieces)
                return _readBytes == Bytes && _file.Position == _file.Length ? false : throw Damaged();
            var length = Number();
            if (length is < 1 or > int.MaxValue || length > Bytes - _readBytes)
                throw Damaged();
            _length = (int)length;
            if (_piece.Length < _length)
                _piece = new byte[Math.Max(_length, (int)Math.Min(2L * _piece.Length, Array.MaxLength))];
            if (_file.ReadAtLeast(_piece.AsSpan(0, _length), _length, throwOnEndOfStream: false) < _length)
                throw Damaged();
            Count = Number();
            if (Count < 1)
                throw Damaged();
            _read++;
            _readBytes += length;
            return true;
        }

        public void Dispose() => _file.Dispose();

        private long Number()
        {
            var value = 0UL;
            for (var shift = 0; shift < 63; shift += 7)
            {
                var b = _file.ReadByte();
                if (b < 0)
                    throw Damaged();
                value |= (ulong)(b & 127) << shift;
                if (b < 128)
                    return (long)value;
            }

            throw Damaged();
        }

        private UserErrorException Damaged() => new($"{_path} is damaged, or no file of piece counts.", "Count its partition anew.");
    }

    /// <summary>Adds files up to one. Whole numbers: the result depends on what they say, not on their order or number.</summary>
    /// <param name="paths">Any number; at most 128 are open at a time.</param>
    /// <param name="destination">The file to write.</param>
    /// <param name="scratch">Folder for files between.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static void Merge(IReadOnlyList<string> paths, string destination, string scratch, CancellationToken cancellation = default)
    {
        var waiting = new Queue<(string Path, bool Own)>(paths.Select(path => (path, false)));
        while (waiting.Count > MostAtOnce)
        {
            var between = Path.Combine(scratch, Path.GetRandomFileName());
            MergeSome([.. Enumerable.Range(0, MostAtOnce).Select(_ => waiting.Dequeue())], between, cancellation);
            waiting.Enqueue((between, true));
        }

        MergeSome([.. waiting], destination, cancellation);
    }

    private static void MergeSome((string Path, bool Own)[] files, string destination, CancellationToken cancellation)
    {
        var readers = new List<Reader>();
        try
        {
            foreach (var (path, _) in files)
                readers.Add(new Reader(path));
            using var writer = new Writer(destination);
            var heap = new PriorityQueue<Reader, byte[]>(Comparer<byte[]>.Create(static (a, b) => a.AsSpan().SequenceCompareTo(b)));
            foreach (var reader in readers)
                if (reader.Read())
                    heap.Enqueue(reader, reader.Piece.ToArray());
            for (var i = 0L; heap.TryDequeue(out var reader, out _); i++)
            {
                if ((i & 0xFFFF) == 0)
                    cancellation.ThrowIfCancellationRequested();
                writer.Add(reader.Piece, reader.Count);
                if (reader.Read())
                    heap.Enqueue(reader, reader.Piece.ToArray());
            }

            writer.Complete();
        }
        finally
        {
            readers.ForEach(reader => reader.Dispose());
            foreach (var (path, own) in files)
                if (own)
                    File.Delete(path);
        }
    }
}
