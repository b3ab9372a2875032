using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using Cluster.Core.Errors;

namespace Cluster.Data.Shards;

/// <summary>
/// Writes one dataset: ids enter in order, a folder of id files with an index leaves. Everything is written into a folder aside,
/// which takes its name only when it is complete; what stood there before stays until then.
/// </summary>
public sealed class ShardWriter : IDisposable
{
    private readonly string _folder, _aside;
    private readonly long _tokensPerFile;
    private readonly List<ShardFile> _files = [];
    private readonly ShardIndex _start;
    private HashedFile? _ids, _masks;
    private long _inFile, _tokens, _documents;
    private byte[] _buffer = [];

    /// <param name="folder">The dataset's folder.</param>
    /// <param name="layout">Stream or rows.</param>
    /// <param name="vocabulary">Ids are below this.</param>
    /// <param name="tokenizerSha256">Of the tokenizer.</param>
    /// <param name="rowLength">Ids of a row; 0 for streams.</param>
    /// <param name="tokensPerFile">Ids of a file at most; for rows rounded down to whole rows.</param>
    public ShardWriter(string folder, ShardLayout layout, int vocabulary, string tokenizerSha256, int rowLength = 0, long tokensPerFile = 1 << 27)
    {
        if ((layout == ShardLayout.Rows) != (rowLength > 0))
            throw new ArgumentException($"rows of {rowLength} ids do not go with layout {layout}", nameof(rowLength));
        _folder = Path.GetFullPath(folder);
        _aside = _folder + ".writing";
        _tokensPerFile = rowLength > 0 ? Math.Max(1, tokensPerFile / rowLength) * rowLength : tokensPerFile;
        _start = new ShardIndex
        {
            Version = ShardIndex.CurrentVersion,
            Layout = layout,
            TokenBytes = vocabulary <= 1 << 16 ? 2 : 4,
            Vocabulary = vocabulary,
            TokenizerSha256 = tokenizerSha256,
            Tokens = 0,
            Documents = 0,
            RowLength = rowLength,
            Files = [],
        };
        Guard(() =>
        {
            if (Directory.Exists(_aside))
                Directory.Delete(_aside, recursive: true);
            Directory.CreateDirectory(_aside);
        });
    }

    /// <summary>Adds a document's ids to the stream.</summary>
    public void Append(ReadOnlySpan<int> ids)
    {
        if (_start.Layout != ShardLayout.Stream)
            throw new InvalidOperationException("A dataset of rows takes rows.");
        _documents++;
        while (ids.Length > 0)
        {
            if (_inFile == _tokensPerFile)
                CloseFile();
            var part = ids[..(int)Math.Min(ids.Length, _tokensPerFile - _inFile)];
            Write(part, []);
            ids = ids[part.Length..];
        }
    }

    /// <summary>Adds a row.</summary>
    /// <param name="ids">Exactly a row's length.</param>
    /// <param name="mask">As many bytes: 1 where the id carries loss as a target.</param>
    public void AppendRow(ReadOnlySpan<int> ids, ReadOnlySpan<byte> mask)
    {
        if (ids.Length != _start.RowLength || mask.Length != ids.Length)
            throw new ArgumentException($"a row of {ids.Length} ids and {mask.Length} mask bytes where both are {_start.RowLength}");
        _documents++;
        if (_inFile == _tokensPerFile)
            CloseFile();
        Write(ids, mask);
    }

    /// <summary>Finishes the dataset and puts it in its place.</summary>
    public ShardIndex Complete()
    {
        CloseFile();
        var index = _start with { Tokens = _tokens, Documents = _documents, Files = _files };
        Guard(() =>
        {
            using (var file = new FileStream(Path.Combine(_aside, ShardIndex.FileName), FileMode.CreateNew))
            {
                JsonSerializer.Serialize(file, index, ShardIndex.Options);
                file.Flush(flushToDisk: true);
            }

            if (Directory.Exists(_folder))
                Directory.Delete(_folder, recursive: true);
            Directory.Move(_aside, _folder);
        });
        return index;
    }

    /// <summary>Removes what was not completed.</summary>
    public void Dispose()
    {
        _ids?.Dispose();
        _masks?.Dispose();
        if (Directory.Exists(_aside))
            Directory.Delete(_aside, recursive: true);
    }

    private void Write(ReadOnlySpan<int> ids, ReadOnlySpan<byte> mask)
    {
        var bytes = ids.Length * _start.TokenBytes;
        if (_buffer.Length < bytes)
            _buffer = new byte[bytes];
        for (var i = 0; i < ids.Length; i++)
        {
            if ((uint)ids[i] >= (uint)_start.Vocabulary)
                throw new ArgumentOutOfRangeException(nameof(ids), ids[i], $"an id outside the vocabulary of {_start.Vocabulary}");
            if (_start.TokenBytes == 2)
                BinaryPrimitives.WriteUInt16LittleEndian(_buffer.AsSpan(2 * i), (ushort)ids[i]);
            else
                BinaryPrimitives.WriteInt32LittleEndian(_buffer.AsSpan(4 * i), ids[i]);
        }

        try
        {
            _ids ??= new HashedFile(Path.Combine(_aside, $"{_files.Count:D5}.ids"));
            _ids.Write(_buffer.AsSpan(0, bytes));
            if (_start.Layout == ShardLayout.Rows)
            {
                _masks ??= new HashedFile(Path.Combine(_aside, $"{_files.Count:D5}.mask"));
                _masks.Write(mask);
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Failure(error);
        }

        _inFile += ids.Length;
        _tokens += ids.Length;
    }

    private void CloseFile()
    {
        if (_ids is null)
            return;
        Guard(() =>
        {
            _files.Add(new ShardFile($"{_files.Count:D5}", _inFile, _ids.Close(), _masks?.Close()));
            (_ids, _masks, _inFile) = (null, null, 0);
        });
    }

    private void Guard(Action write)
    {
        try
        {
            write();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw Failure(error);
        }
    }

    private UserErrorException Failure(Exception error) =>
        new($"The shards cannot be written to {_folder}: {error.Message}", "Free space there, or choose another folder with --out.", error);

    private sealed class HashedFile(string path) : IDisposable
    {
        private readonly FileStream _file = new(path, FileMode.CreateNew, FileAccess.Write, FileShare.None, 1 << 16);
        private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);

        public void Write(ReadOnlySpan<byte> bytes)
        {
            _hash.AppendData(bytes);
            _file.Write(bytes);
        }

        /// <summary>Closes the file on disk and returns its hash.</summary>
        public string Close()
        {
            _file.Flush(flushToDisk: true);
            var hash = Convert.ToHexStringLower(_hash.GetHashAndReset());
            Dispose();
            return hash;
        }

        public void Dispose()
        {
            _file.Dispose();
            _hash.Dispose();
        }
    }
}
