// Enters: per document its length, quality, buckets and payload. Leaves: a file, and any column or payload of it again.
// Does not know: how buckets and payloads are made or compared.

using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>
/// Signatures in blocks of <see cref="BlockRows"/> documents, the last one shorter: 16 bytes for each document, then the buckets band by
/// band, then the payloads. One band of all documents is read without the others, and one document's payload by its index.
/// </summary>
internal static class SignatureFile
{
    public const string Magic = "CLSIGNA1";
    public const int BlockRows = 1024;

    /// <summary>What is known of each document. One without shingles, or without a vector, takes no part.</summary>
    [StructLayout(LayoutKind.Sequential)]
    public readonly record struct Row(uint Length, uint Quality, uint TakesPart, uint Reserved);

    /// <summary>What a scheme's text promises about the file: its last words are "columns BANDS PAYLOADBYTES".</summary>
    public static string Scheme(string scheme, int bands, int payloadBytes) => FormattableString.Invariant($"{scheme} columns {bands} {payloadBytes}");

    /// <summary>Bands and payload bytes of a scheme.</summary>
    public static (int Bands, int PayloadBytes) Columns(string scheme, string path)
    {
        var words = scheme.Split(' ');
        return words.Length > 3 && words[^3] == "columns"
            && int.TryParse(words[^2], out var bands) && int.TryParse(words[^1], out var payload) && bands > 0 && payload > 0
            ? (bands, payload)
            : throw PartitionFile.Damaged(path);
    }

    /// <summary>Writes one file.</summary>
    public sealed class Writer : IDisposable
    {
        private readonly PartitionFile _file;
        private readonly int _bands;
        private readonly Row[] _rows = new Row[BlockRows];
        private readonly ulong[] _buckets;
        private readonly byte[] _payloads;
        private readonly int _payloadBytes;
        private int _filled;
        private long _count;

        public Writer(string path, int partition, string scheme, int bands, int payloadBytes)
        {
            (_bands, _payloadBytes) = (bands, payloadBytes);
            _buckets = new ulong[bands * BlockRows];
            _payloads = new byte[payloadBytes * BlockRows];
            _file = new PartitionFile(path, Magic, Scheme(scheme, bands, payloadBytes), partition);
        }

        /// <summary>Room for the next document's payload, to fill before <see cref="Add"/>.</summary>
        public Span<byte> NextPayload => _payloads.AsSpan(_filled * _payloadBytes, _payloadBytes);

        /// <param name="length">The text's length.</param>
        /// <param name="quality">In [0, 1].</param>
        /// <param name="buckets">A bucket per band; empty if the document takes no part.</param>
        public void Add(int length, double quality, ReadOnlySpan<ulong> buckets)
        {
            if (_count == int.MaxValue)
                throw new UserErrorException("A partition has more than 2147483647 documents.", "Make partitions smaller.");
            _rows[_filled] = new Row((uint)length, DocumentRank.QualityStep(quality), buckets.IsEmpty ? 0u : 1, 0);
            if (buckets.IsEmpty)
                NextPayload.Clear();
            for (var band = 0; band < _bands; band++)
                _buckets[band * BlockRows + _filled] = buckets.IsEmpty ? 0 : buckets[band];
            _count++;
            if (++_filled == BlockRows)
                Flush();
        }

        public void Complete()
        {
            Flush();
            _file.Complete(_count);
        }

        public void Dispose() => _file.Dispose();

        private void Flush()
        {
            _file.Write(MemoryMarshal.AsBytes(_rows.AsSpan(0, _filled)));
            for (var band = 0; band < _bands; band++)
                _file.Write(MemoryMarshal.AsBytes(_buckets.AsSpan(band * BlockRows, _filled)));
            _file.Write(_payloads.AsSpan(0, _filled * _payloadBytes));
            _filled = 0;
        }
    }

    /// <summary>Reads one file; from any number of threads.</summary>
    public sealed class Reader
    {
        private readonly PartitionSet.Source _source;
        private readonly int _bands, _payloadBytes;
        private readonly long _rowBytes;

        public Reader(PartitionSet.Source source)
        {
            _source = source;
            (_bands, _payloadBytes) = Columns(source.Scheme, source.Path);
            _rowBytes = Unsafe.SizeOf<Row>() + _bands * sizeof(ulong) + _payloadBytes;
            if (RandomAccess.GetLength(source.Handle) != PartitionFile.HeaderBytes + source.Rows * _rowBytes)
                throw PartitionFile.Damaged(source.Path);
        }

        public int Partition => _source.Partition;

        /// <summary>Each document that takes part, with its bucket in <paramref name="band"/>, by index.</summary>
        public IEnumerable<(ulong Bucket, DocumentRank Rank)> Band(int band)
        {
            var rows = new Row[BlockRows];
            var buckets = new ulong[BlockRows];
            for (long first = 0; first < _source.Rows; first += BlockRows)
            {
                var count = (int)Math.Min(BlockRows, _source.Rows - first);
                var at = PartitionFile.HeaderBytes + first * _rowBytes;
                PartitionFile.Read(_source.Handle, _source.Path, MemoryMarshal.AsBytes(rows.AsSpan(0, count)), at);
                at += (long)count * Unsafe.SizeOf<Row>() + (long)band * count * sizeof(ulong);
                PartitionFile.Read(_source.Handle, _source.Path, MemoryMarshal.AsBytes(buckets.AsSpan(0, count)), at);
                for (var i = 0; i < count; i++)
                {
                    var key = new DocumentKey(_source.Corpus, _source.Partition, (int)(first + i));
                    if (rows[i].TakesPart != 0)
                        yield return (buckets[i], DocumentRank.Of(key, rows[i].Quality, rows[i].Length));
                }
            }
        }

        /// <summary>The payload of document <paramref name="index"/>.</summary>
        public void Payload(int index, Span<byte> destination)
        {
            var (at, count, row) = Block(index);
            var payloads = at + count * (Unsafe.SizeOf<Row>() + _bands * sizeof(ulong));
            PartitionFile.Read(_source.Handle, _source.Path, destination, payloads + row * _payloadBytes);
        }

        /// <summary>The payload and the buckets of document <paramref name="index"/>.</summary>
        /// <returns>Whether it takes part; if not, its buckets mean nothing.</returns>
        public bool Copy(int index, Span<byte> payload, Span<ulong> buckets)
        {
            var (at, count, row) = Block(index);
            var known = default(Row);
            var bytes = MemoryMarshal.AsBytes(new Span<Row>(ref known));
            PartitionFile.Read(_source.Handle, _source.Path, bytes, at + row * Unsafe.SizeOf<Row>());
            for (var band = 0; band < _bands; band++)
            {
                var column = at + count * Unsafe.SizeOf<Row>() + band * count * sizeof(ulong);
                bytes = MemoryMarshal.AsBytes(buckets.Slice(band, 1));
                PartitionFile.Read(_source.Handle, _source.Path, bytes, column + row * sizeof(ulong));
            }

            Payload(index, payload);
            return known.TakesPart != 0;
        }

        /// <summary>Where a document's block begins, how many documents it has, and which of them it is.</summary>
        private (long At, long Count, long Row) Block(int index)
        {
            var first = index / BlockRows * (long)BlockRows;
            return (PartitionFile.HeaderBytes + first * _rowBytes, Math.Min(BlockRows, _source.Rows - first), index - first);
        }
    }
}
