using System.Text;
using Cluster.Core.Errors;
using Cluster.Data.Files;
using ZstdSharp;
using ZstdSharp.Unsafe;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>Documents between two phases: every field, in order, compressed with a checksum; whole or not there.</summary>
internal sealed class DocumentFileWriter : IDisposable
{
    internal const byte Next = 1, End = 0;
    private readonly AsideFile _file;
    private readonly CompressionStream _zstd;
    private readonly BinaryWriter _writer;
    private bool _complete;

    public DocumentFileWriter(string path)
    {
        _file = new AsideFile(path);
        _zstd = new CompressionStream(_file, level: 1, leaveOpen: true);
        _zstd.SetParameter(ZSTD_cParameter.ZSTD_c_checksumFlag, 1);
        _writer = new BinaryWriter(_zstd, Encoding.UTF8, leaveOpen: true);
    }

    public int Count { get; private set; }

    public void Add(Document document)
    {
        _writer.Write(Next);
        _writer.Write(document.Id);
        _writer.Write(document.Text);
        _writer.Write(document.Group);
        _writer.Write(document.Source);
        _writer.Write(document.Quality);
        Optional(document.Title);
        var metadata = document.Metadata;
        Optional(metadata.Dataset);
        Optional(metadata.Url);
        Optional(metadata.Author);
        Optional(metadata.License);
        Optional(metadata.Language);
        Optional(metadata.ContentType);
        _writer.Write(metadata.Date?.UtcTicks ?? -1);
        _writer.Write(metadata.Weight);
        _writer.Write7BitEncodedInt(document.Scores.Count);
        foreach (var score in document.Scores)
        {
            _writer.Write(score.Name);
            _writer.Write(score.Value);
        }

        Count++;
    }

    public void Complete()
    {
        _writer.Write(End);
        _writer.Write(Count);
        _writer.Dispose();
        _complete = true;
        _zstd.Dispose();
        _file.Complete();
    }

    public void Dispose()
    {
        if (!_complete)
            _writer.Dispose();
        _zstd.Dispose();
        _file.Dispose();
    }

    private void Optional(string? text)
    {
        _writer.Write(text is not null);
        if (text is not null)
            _writer.Write(text);
    }
}

/// <summary>Reads what <see cref="DocumentFileWriter"/> wrote.</summary>
internal static class DocumentFile
{
    /// <summary>One document at a time.</summary>
    /// <exception cref="UserErrorException">The file is missing or damaged.</exception>
    public static IEnumerable<Document> Read(string path)
    {
        BinaryReader reader;
        try
        {
            reader = new BinaryReader(new DecompressionStream(new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.Read, 1 << 16), leaveOpen: false), Encoding.UTF8);
        }
        catch (IOException error)
        {
            throw Damaged(path, error);
        }

        using (reader)
        {
            var count = 0;
            while (true)
            {
                Document? document;
                try
                {
                    document = Next(reader);
                    if (document is null && reader.ReadInt32() != count)
                        throw new InvalidDataException("it ends too early");
                }
                catch (Exception error) when (error is IOException or InvalidDataException or ZstdException or FormatException)
                {
                    throw Damaged(path, error);
                }

                if (document is null)
                    yield break;
                count++;
                yield return document;
            }
        }
    }

    private static Document? Next(BinaryReader reader)
    {
        if (reader.ReadByte() == DocumentFileWriter.End)
            return null;
        var (id, text, group, source, quality) = (reader.ReadString(), reader.ReadString(), reader.ReadString(), reader.ReadString(), reader.ReadDouble());
        var title = Optional();
        var metadata = new DocumentMetadata
        {
            Dataset = Optional(),
            Url = Optional(),
            Author = Optional(),
            License = Optional(),
            Language = Optional(),
            ContentType = Optional(),
            Date = reader.ReadInt64() is var ticks and >= 0 ? new DateTimeOffset(ticks, TimeSpan.Zero) : null,
            Weight = reader.ReadDouble(),
        };
        var scores = new DocumentScore[reader.Read7BitEncodedInt()];
        for (var i = 0; i < scores.Length; i++)
            scores[i] = new DocumentScore(reader.ReadString(), reader.ReadDouble());
        return new Document(id, text, group, source, quality, title) { Metadata = metadata, Scores = scores };

        string? Optional() => reader.ReadBoolean() ? reader.ReadString() : null;
    }

    private static UserErrorException Damaged(string path, Exception error) =>
        new($"{path} is missing or damaged ({error.Message.TrimEnd('.')}).", "Delete the corpus' folder done and build again.", error);
}
