// Enters: bytes, as they come, and a header that is known last. Leaves: a file, whole and on the disk or not there at all.
// Does not know: what the bytes mean.

using Cluster.Core.Errors;

namespace Cluster.Data.Files;

/// <summary>
/// A stream into a file that appears under its name only once it is complete: it is written aside, flushed to the disk and renamed, as
/// <see cref="Cluster.Core.Files.AtomicWrite"/> does with content that fits memory. Without <see cref="Complete"/> nothing is left of it.
/// Everything that goes wrong is a <see cref="UserErrorException"/> that names the file.
/// </summary>
internal sealed class AsideFile : Stream
{
    private readonly string _path;
    private readonly FileStream _file;
    private readonly int _headerBytes;
    private bool _complete;

    /// <param name="path">Where it appears; missing folders are made.</param>
    /// <param name="headerBytes">Zeros at its beginning, which <see cref="Complete"/> replaces.</param>
    /// <exception cref="UserErrorException">The file can't be written.</exception>
    public AsideFile(string path, int headerBytes = 0)
    {
        (_path, _headerBytes) = (Path.GetFullPath(path), headerBytes);
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(_path)!);
            // Random and not the process's id: processes in containers that share a folder may all be number 1.
            _file = new FileStream($"{_path}.{Path.GetRandomFileName()}.tmp", FileMode.CreateNew, FileAccess.Write, FileShare.Read, 1 << 16);
            _file.Write(new byte[headerBytes]);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            _file?.Dispose();
            throw Unwritable(error);
        }
    }

    /// <inheritdoc/>
    public override bool CanRead => false;

    /// <inheritdoc/>
    public override bool CanSeek => false;

    /// <inheritdoc/>
    public override bool CanWrite => true;

    /// <inheritdoc/>
    public override long Length => _file.Length;

    /// <inheritdoc/>
    public override long Position { get => _file.Position; set => throw new NotSupportedException(); }

    /// <inheritdoc/>
    public override void Write(ReadOnlySpan<byte> buffer)
    {
        try
        {
            _file.Write(buffer);
        }
        catch (IOException error)
        {
            throw Unwritable(error);
        }
    }

    /// <inheritdoc/>
    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    /// <summary>Puts the file in its place, over an older one.</summary>
    /// <param name="header">As many bytes as were kept free for it.</param>
    public void Complete(ReadOnlySpan<byte> header = default)
    {
        ArgumentOutOfRangeException.ThrowIfNotEqual(header.Length, _headerBytes);
        try
        {
            if (!header.IsEmpty)
            {
                _file.Position = 0;
                _file.Write(header);
            }

            _file.Flush(flushToDisk: true);
            _file.Dispose();
            File.Move(_file.Name, _path, overwrite: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Unwritable(error);
        }

        _complete = true;
    }

    /// <summary>Nothing: only a complete file is to be on the disk.</summary>
    public override void Flush()
    {
    }

    /// <inheritdoc/>
    public override int Read(byte[] buffer, int offset, int count) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override long Seek(long offset, SeekOrigin origin) => throw new NotSupportedException();

    /// <inheritdoc/>
    public override void SetLength(long value) => throw new NotSupportedException();

    /// <inheritdoc/>
    protected override void Dispose(bool disposing)
    {
        if (disposing && !_complete)
        {
            try
            {
                _file.Dispose();
            }
            catch (IOException)
            {
                // What its buffer still held is not wanted any more, and a full disk has been complained of.
            }

            File.Delete(_file.Name);
        }

        base.Dispose(disposing);
    }

    private UserErrorException Unwritable(Exception error) => new(
        $"{_path} can't be written ({error.Message.TrimEnd('.')}).", "Check that the folder is writable and the disk has space.", error);
}
