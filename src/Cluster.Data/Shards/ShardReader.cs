using System.IO.MemoryMappedFiles;
using System.Security.Cryptography;
using System.Text.Json;
using Cluster.Core.Errors;

namespace Cluster.Data.Shards;

/// <summary>
/// Reads a dataset through memory maps: any id at any time, from any thread, in constant memory. Sizes are checked when it is
/// opened, contents by <see cref="Verify"/>.
/// </summary>
public sealed unsafe class ShardReader : IDisposable
{
    private readonly string _folder;
    private readonly Map[] _ids, _masks;
    private readonly long[] _starts;

    private ShardReader(string folder, ShardIndex index)
    {
        (_folder, Index) = (folder, index);
        _starts = new long[index.Files.Count];
        _ids = new Map[index.Files.Count];
        _masks = new Map[index.Layout == ShardLayout.Rows ? index.Files.Count : 0];
        long start = 0;
        for (var i = 0; i < _ids.Length; i++)
        {
            var file = index.Files[i];
            _starts[i] = start;
            start += file.Tokens;
            _ids[i] = Open(file.Name + ".ids", file.Tokens * index.TokenBytes);
            if (_masks.Length > 0)
                _masks[i] = Open(file.Name + ".mask", file.Tokens);
        }
    }

    /// <summary>What the dataset holds.</summary>
    public ShardIndex Index { get; }

    /// <summary>Opens a dataset's folder.</summary>
    /// <exception cref="UserErrorException">It is missing, of another version, inconsistent, or files have other sizes than it says.</exception>
    public static ShardReader Open(string folder)
    {
        folder = Path.GetFullPath(folder);
        var path = Path.Combine(folder, ShardIndex.FileName);
        ShardIndex index;
        try
        {
            index = JsonSerializer.Deserialize<ShardIndex>(File.ReadAllText(path), ShardIndex.Options) ?? throw new JsonException("it is null");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or JsonException)
        {
            throw Damaged(path, error.Message.Split(" Path: ")[0], error);
        }

        if (index.Version != ShardIndex.CurrentVersion)
            throw Damaged(path, $"its version is {index.Version}, this program reads version {ShardIndex.CurrentVersion}");
        if (index.TokenBytes is not (2 or 4) || index.Files.Sum(f => f.Tokens) != index.Tokens
            || index.Files.Any(f => f.Tokens < 0 || f.Name != Path.GetFileName(f.Name))
            || (index.Layout == ShardLayout.Rows && (index.RowLength < 1 || index.Files.Any(f => f.Tokens % index.RowLength != 0))))
            throw Damaged(path, "its numbers contradict each other");
        return new ShardReader(folder, index);
    }

    /// <summary>Reads every file and compares its SHA-256.</summary>
    /// <exception cref="UserErrorException">A file's contents are not those that were written.</exception>
    public void Verify()
    {
        foreach (var file in Index.Files)
        {
            Check(file.Name + ".ids", file.Sha256);
            if (Index.Layout == ShardLayout.Rows)
                Check(file.Name + ".mask", file.MaskSha256);
        }

        void Check(string name, string? expected)
        {
            var path = Path.Combine(_folder, name);
            using var file = File.OpenRead(path);
            var actual = Convert.ToHexStringLower(SHA256.HashData(file));
            if (actual != expected)
                throw Damaged(path, $"its SHA-256 is {actual}, the index says {expected}");
        }
    }

    /// <summary>Copies ids from a place in the whole on, across file borders.</summary>
    /// <param name="offset">First id.</param>
    /// <param name="destination">Filled whole.</param>
    public void Read(long offset, Span<int> destination)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(offset);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(offset + destination.Length, Index.Tokens, nameof(offset));
        var file = FileOf(offset);
        while (destination.Length > 0)
        {
            var from = offset - _starts[file];
            var count = (int)Math.Min(destination.Length, Index.Files[file].Tokens - from);
            if (Index.TokenBytes == 2)
            {
                var source = (ushort*)_ids[file].Data + from;
                for (var i = 0; i < count; i++)
                    destination[i] = source[i];
            }
            else
            {
                new ReadOnlySpan<int>((int*)_ids[file].Data + from, count).CopyTo(destination);
            }

            destination = destination[count..];
            offset += count;
            file++;
        }
    }

    /// <summary>Copies a row and its mask.</summary>
    public void ReadRow(long row, Span<int> ids, Span<byte> mask)
    {
        Read(row * Index.RowLength, ids[..Index.RowLength]);
        var offset = row * Index.RowLength;
        var file = FileOf(offset);
        new ReadOnlySpan<byte>(_masks[file].Data + (offset - _starts[file]), Index.RowLength).CopyTo(mask);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var map in (Map[])[.. _ids, .. _masks])
            map.Dispose();
    }

    private int FileOf(long offset)
    {
        var found = Array.BinarySearch(_starts, offset);
        return found >= 0 ? found : ~found - 1;
    }

    private Map Open(string name, long bytes)
    {
        var path = Path.Combine(_folder, name);
        var file = new FileInfo(path);
        if (!file.Exists)
            throw Damaged(path, "it is missing");
        if (file.Length != bytes)
            throw Damaged(path, $"it has {file.Length} bytes where the index says {bytes}");
        return new Map(path, bytes);
    }

    private static UserErrorException Damaged(string path, string defect, Exception? inner = null) =>
        new($"The shard file {path} cannot be used: {defect}.", "Remove its folder and run the same command again to write it anew.", inner);

    private sealed class Map : IDisposable
    {
        private readonly MemoryMappedFile _file;
        private readonly MemoryMappedViewAccessor _view;

        public Map(string path, long bytes)
        {
            _file = MemoryMappedFile.CreateFromFile(path, FileMode.Open, null, 0, MemoryMappedFileAccess.Read);
            _view = _file.CreateViewAccessor(0, bytes, MemoryMappedFileAccess.Read);
            byte* data = null;
            _view.SafeMemoryMappedViewHandle.AcquirePointer(ref data);
            Data = data + _view.PointerOffset;
        }

        public byte* Data { get; }

        public void Dispose()
        {
            _view.SafeMemoryMappedViewHandle.ReleasePointer();
            _view.Dispose();
            _file.Dispose();
        }
    }
}
