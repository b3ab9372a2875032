// Enters: the rows of one partition. Leaves: a file of a header and rows, whole or not at all. Does not know: what a row means.

using System.Buffers.Binary;
using System.Text;
using Cluster.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>
/// The frame that signature, hash and decision files share: 256 bytes of header (magic of 8 bytes, partition, number
/// of rows, then the scheme, by which files that belong together are known), then the content. Numbers are little-endian. A file is
/// written aside and renamed once it is complete.
/// </summary>
internal sealed class PartitionFile : IDisposable
{
    public const int HeaderBytes = 256;
    private const int SchemeAt = 32;
    private readonly string _path, _aside, _magic, _scheme;
    private readonly int _partition;
    private readonly FileStream _file;
    private bool _complete;

    /// <exception cref="UserErrorException">The file can't be written.</exception>
    public PartitionFile(string path, string magic, string scheme, int partition)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(partition);
        (_path, _magic, _scheme, _partition) = (path, magic, scheme, partition);
        _aside = $"{path}.{Path.GetRandomFileName()}.tmp";
        _file = Writing(() =>
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            var file = new FileStream(_aside, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);
            file.Write(new byte[HeaderBytes]);
            return file;
        });
    }

    public void Write(ReadOnlySpan<byte> bytes)
    {
        try
        {
            _file.Write(bytes);
        }
        catch (IOException e)
        {
            throw Unwritable(e);
        }
    }

    /// <summary>Puts the file in its place.</summary>
    public void Complete(long rows)
    {
        var header = new byte[HeaderBytes];
        Encoding.ASCII.GetBytes(_magic, header);
        BinaryPrimitives.WriteInt32LittleEndian(header.AsSpan(8), _partition);
        BinaryPrimitives.WriteInt64LittleEndian(header.AsSpan(16), rows);
        header[SchemeAt - 1] = (byte)Encoding.UTF8.GetBytes(_scheme, header.AsSpan(SchemeAt));
        Writing(() =>
        {
            _file.Position = 0;
            _file.Write(header);
            _file.Flush(flushToDisk: true);
            _file.Dispose();
            File.Move(_aside, _path, overwrite: true);
            return true;
        });
        _complete = true;
    }

    public void Dispose()
    {
        _file.Dispose();
        if (!_complete)
            File.Delete(_aside);
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

    private T Writing<T>(Func<T> work)
    {
        try
        {
            return work();
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(e);
        }
    }

    private UserErrorException Unwritable(Exception e) => new(
        $"{_path} can't be written ({e.Message.TrimEnd('.')}).", "Check that the folder is writable and the disk has space.", e);
}
