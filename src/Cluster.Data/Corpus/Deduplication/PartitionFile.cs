// Enters: the rows of one partition. Leaves: a file of a header and rows, whole or not at all. Does not know: what a row means.

using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Data.Files;
using Microsoft.Win32.SafeHandles;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>
/// The frame that signature, hash and decision files share: 256 bytes of header (magic of 8 bytes, partition, number
/// of rows, then the scheme, by which files that belong together are known), then the content. Numbers are little-endian.
/// </summary>
internal sealed class PartitionFile : IDisposable
{
    public const int HeaderBytes = 256;
    private const int SchemeAt = 32;
    private const int RecordsAtOnce = 2048;
    private readonly string _magic, _scheme;
    private readonly int _partition;
    private readonly AsideFile _file;

    /// <exception cref="UserErrorException">The file can't be written.</exception>
    public PartitionFile(string path, string magic, string scheme, int partition)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(partition);
        (_magic, _scheme, _partition) = (magic, scheme, partition);
        _file = new AsideFile(path, HeaderBytes);
    }

    public void Write(ReadOnlySpan<byte> bytes) => _file.Write(bytes);

    /// <summary>Puts the file in its place.</summary>
    public void Complete(long rows)
    {
        var header = new byte[HeaderBytes];
        Encoding.ASCII.GetBytes(_magic, header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), _partition);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(16), rows);
        header[SchemeAt - 1] = (byte)Encoding.UTF8.GetBytes(_scheme, header.AsSpan(SchemeAt));
        _file.Complete(header);
    }

    public void Dispose() => _file.Dispose();

    /// <summary>Writes records of a fixed size as they come.</summary>
    /// <returns>How many.</returns>
    public static long Write<T>(string path, string magic, int partition, IEnumerable<T> records)
        where T : unmanaged
    {
        using var file = new PartitionFile(path, magic, "", partition);
        long rows = 0;
        foreach (var record in records)
        {
            var one = record;
            file.Write(MemoryMarshal.AsBytes(new ReadOnlySpan<T>(in one)));
            rows++;
        }

        file.Complete(rows);
        return rows;
    }

    /// <summary>Reads records of a fixed size, in order. Streams.</summary>
    /// <exception cref="UserErrorException">The file is missing, damaged or of another kind.</exception>
    public static IEnumerable<T> Read<T>(string path, string magic)
        where T : unmanaged
    {
        var (handle, header) = Open(path, magic);
        using (handle)
        {
            foreach (var record in Read<T>(handle, path, header.Rows))
                yield return record;
        }
    }

    /// <summary>The records of an open file of nothing but records.</summary>
    public static IEnumerable<T> Read<T>(SafeFileHandle handle, string path, long rows)
        where T : unmanaged
    {
        if (RandomAccess.GetLength(handle) != HeaderBytes + rows * Unsafe.SizeOf<T>())
            throw Damaged(path);
        var records = new T[RecordsAtOnce];
        for (long at = 0; at < rows; at += records.Length)
        {
            var count = (int)Math.Min(records.Length, rows - at);
            Read(handle, path, MemoryMarshal.AsBytes(records.AsSpan(0, count)), HeaderBytes + at * Unsafe.SizeOf<T>());
            for (var i = 0; i < count; i++)
                yield return records[i];
        }
    }

    /// <summary>What a file's header says.</summary>
    public sealed record Header(int Partition, long Rows, string Scheme);

    /// <summary>Opens a file and reads its header.</summary>
    /// <exception cref="UserErrorException">It is missing, unreadable, or of another kind.</exception>
    public static (SafeFileHandle Handle, Header Header) Open(string path, string magic)
    {
        SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(path);
            var bytes = new byte[HeaderBytes];
            if (RandomAccess.Read(handle, bytes, 0) != HeaderBytes || !bytes.AsSpan(0, 8).SequenceEqual(Encoding.ASCII.GetBytes(magic)))
                throw Damaged(path);
            var (partition, rows) = (BinaryPrimitives.ReadInt32LittleEndian(bytes.AsSpan(8)), BinaryPrimitives.ReadInt64LittleEndian(bytes.AsSpan(16)));
            if (partition < 0 || rows < 0)
                throw Damaged(path);
            return (handle, new Header(
                partition, rows,
                Encoding.UTF8.GetString(bytes.AsSpan(SchemeAt, Math.Min((int)bytes[SchemeAt - 1], HeaderBytes - SchemeAt)))));
        }
        catch (UserErrorException)
        {
            handle?.Dispose();
            throw;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            handle?.Dispose();
            throw new UserErrorException($"{path} can't be read ({e.Message.TrimEnd('.')}).", "Make its partition anew.", e);
        }
    }

    public static UserErrorException Damaged(string path) => new($"{path} is damaged, or of another kind.", "Make its partition anew.");

    /// <summary>Reads exactly <paramref name="destination"/>.</summary>
    public static void Read(SafeFileHandle handle, string path, Span<byte> destination, long at)
    {
        for (int read; !destination.IsEmpty; destination = destination[read..], at += read)
            if ((read = RandomAccess.Read(handle, destination, at)) == 0)
                throw Damaged(path);
    }
}
