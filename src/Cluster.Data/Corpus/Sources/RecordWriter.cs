using System.Security.Cryptography;
using System.Text.Encodings.Web;
using System.Text.Json;
using Cluster.Data.Files;
using ZstdSharp;

namespace Cluster.Data.Corpus.Sources;

/// <summary>
/// Documents as JSON objects on lines, compressed with zstd (with its checksum), in files of a bounded size: what sources keep of things
/// that are no files, and what a corpus is handed on as. <see cref="Files.JsonLines"/> reads it.
/// </summary>
internal sealed class RecordWriter : IDisposable
{
    private static readonly JsonWriterOptions s_json = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private readonly AsideFile _file;
    private readonly CompressionStream _zstd;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly MemoryStream _line = new();
    private readonly Utf8JsonWriter _json;

    /// <param name="path">The file; written aside until <see cref="Complete"/>.</param>
    public RecordWriter(string path)
    {
        _file = new AsideFile(path);
        _zstd = new CompressionStream(_file, level: 3, leaveOpen: true);
        _zstd.SetParameter(ZstdSharp.Unsafe.ZSTD_cParameter.ZSTD_c_checksumFlag, 1);
        _json = new Utf8JsonWriter(_line, s_json);
    }

    /// <summary>Bytes before compression.</summary>
    public long Bytes { get; private set; }

    /// <summary>Records written.</summary>
    public long Records { get; private set; }

    /// <summary>Adds a line.</summary>
    /// <param name="write">Writes the properties of the object.</param>
    public void Add(Action<Utf8JsonWriter> write)
    {
        _line.SetLength(0);
        _json.Reset();
        _json.WriteStartObject();
        write(_json);
        _json.WriteEndObject();
        _json.Flush();
        _line.WriteByte((byte)'\n');
        var bytes = _line.GetBuffer().AsSpan(0, (int)_line.Length);
        _hash.AppendData(bytes);
        _zstd.Write(bytes);
        Bytes += bytes.Length;
        Records++;
        // A single long document must not hold its buffer for the rest of the file.
        if (_line.Capacity > 1 << 22)
        {
            _line.SetLength(0);
            _line.Capacity = 0;
        }
    }

    /// <summary>Makes the file appear, whole and on the disk.</summary>
    /// <returns>SHA-256 of the lines before compression: the same for any version of the compressor.</returns>
    public string Complete()
    {
        _zstd.Dispose();
        _file.Complete();
        return Convert.ToHexStringLower(_hash.GetHashAndReset());
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _zstd.Dispose();
        _file.Dispose();
        _hash.Dispose();
        _json.Dispose();
    }
}
