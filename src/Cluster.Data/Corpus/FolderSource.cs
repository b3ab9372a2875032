using System.IO.Enumeration;
using System.Text;
using System.Text.Json;
using System.Xml;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Extraction;
using Cluster.Data.Corpus.Reference;
using Cluster.Data.Corpus.Sources;
using Cluster.Data.Corpus.Sources.Files;

namespace Cluster.Data.Corpus;

/// <summary>
/// A folder, with its sub-folders, or a single file of the user's own text as documents, in the ordinal order of their paths:
/// <list type="bullet">
/// <item>.txt and .md: one document per file; a file above 64 MiB in pieces of at most 16 MiB, cut at empty lines;</item>
/// <item>.jsonl: one document per line, its field <c>text</c>, else <c>content</c>; <c>title</c> if present;</item>
/// <item>.xml: reference documentation (<c>doc/members</c>) as <see cref="DotnetReferenceSource"/> treats it, else the text nodes;</item>
/// <item>.html, .parquet and all kinds with .gz or .zst after them, as corpora read them: so are the shards of a built corpus.</item>
/// </list>
/// Hidden files and folders, links to folders and other kinds of files are passed over; the latter are named in a warning.
/// </summary>
public sealed class FolderSource : IDocumentSource
{
    private const long WholeFileLimit = 64 << 20;
    private const int PieceBytes = 16 << 20;
    private const string Accepted = ".txt, .md, .html, .xml, .jsonl and .parquet (field \"text\" or \"content\"), each also with .gz or .zst";

    private static readonly FileReading s_others = new("", DocumentMetadata.Unknown, ["text", "content"], ReadLimits.Default);
    private static readonly MainText s_mainText = new();

    private readonly string _path;
    private readonly long _wholeFileLimit;
    private readonly int _pieceBytes;

    /// <param name="path">A folder or a file.</param>
    /// <exception cref="UserErrorException">The path is empty.</exception>
    public FolderSource(string path)
        : this(path, WholeFileLimit, PieceBytes)
    {
    }

    /// <summary>With other limits, so that cutting can be tested on small files.</summary>
    internal FolderSource(string path, long wholeFileLimit, int pieceBytes)
    {
        if (string.IsNullOrWhiteSpace(path))
            throw new UserErrorException("The corpus path is empty.", $"Give a folder or a file of {Accepted}.");
        _path = Path.GetFullPath(path);
        _wholeFileLimit = wholeFileLimit;
        _pieceBytes = pieceBytes;
    }

    /// <inheritdoc/>
    public string Description => $"text in {_path}";

    /// <summary>Bytes of all accepted files, before reading them: for a plan.</summary>
    /// <exception cref="UserErrorException">The path is missing, or holds no accepted file.</exception>
    public long TotalBytes => Find(out _).Sum(file => new FileInfo(file.Path).Length);

    /// <inheritdoc/>
    public SourceContent Read(int workers, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(workers, 1);
        var files = Find(out var warnings);
        var contents = new FileContent[files.Count];
        var options = new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation };
        try
        {
            Parallel.For(0, files.Count, options, i => contents[i] = ReadFile(files[i], cancellation));
        }
        catch (AggregateException errors) when (errors.InnerExceptions.OfType<UserErrorException>().FirstOrDefault() is { } error)
        {
            throw error;
        }

        var dropped = new DropCounts();
        foreach (var content in contents)
        {
            dropped.Add(content.Dropped);
            if (content.Warning is not null)
                warnings.Add(content.Warning);
        }

        var documents = contents.SelectMany(content => content.Documents).ToList();
        var reference = contents.Where(content => content.Reference is not null).Select(content => content.Reference!).ToList();
        var bytes = contents.Sum(content => content.Bytes);
        var records = contents.Sum(content => content.Records);
        var stages = new List<CorpusStage>
        {
            new("records", records, documents.Count + reference.Count, bytes, contents.Sum(item => item.TextBytes), dropped.ToDictionary()),
        };
        IReadOnlyList<ReferenceType> types = [];
        if (reference.Count > 0)
        {
            var referenceBytes = reference.Sum(input => (long)Utf8Length(input.Xml));
            var library = ReferenceLibrary.Read(reference, referenceBytes, workers, cancellation);
            var (assembled, assembly) = TypeDocuments.Assemble(library.Types, "reference:", library.Stage.BytesOut);
            types = library.Types;
            documents.AddRange(assembled);
            warnings.AddRange(library.Warnings);
            stages.Add(library.Stage);
            stages.Add(assembly);
        }

        if (documents.TrueForAll(document => string.IsNullOrWhiteSpace(document.Text)))
        {
            var why = dropped.ToString() is { Length: > 0 } reasons ? $" ({reasons})" : "";
            throw new UserErrorException(
                FormattableString.Invariant($"{_path} holds {files.Count} file(s) of {bytes} bytes in all, but no text{why}."),
                $"Put text into it; accepted are {Accepted}.");
        }

        var invalid = contents.Sum(content => content.Invalid);
        return new SourceContent(documents, types, new SourceStatistics(files.Count, bytes, invalid, stages, warnings));
    }

    private List<TextFile> Find(out List<string> warnings)
    {
        warnings = [];
        if (File.Exists(_path))
        {
            if (!IsAccepted(_path))
            {
                throw new UserErrorException(
                    $"The corpus file {_path} is of a kind that is not read.", $"Give a folder or a file of {Accepted}.");
            }

            return [new TextFile(_path, Path.GetFileName(_path))];
        }

        if (!Directory.Exists(_path))
            throw new UserErrorException($"The corpus path {_path} does not exist.", $"Give a folder or a file of {Accepted}.");

        List<string> all;
        try
        {
            all = [.. new FileSystemEnumerable<string>(_path, (ref entry) => entry.ToFullPath(), new EnumerationOptions
            {
                RecurseSubdirectories = true,
                AttributesToSkip = FileAttributes.None,
                IgnoreInaccessible = false,
            })
            {
                ShouldIncludePredicate = (ref entry) => !entry.IsDirectory && entry.FileName[0] != '.',
                ShouldRecursePredicate = (ref entry) =>
                    entry.FileName[0] != '.' && !entry.Attributes.HasFlag(FileAttributes.ReparsePoint),
            }];
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException(
                $"The corpus folder {_path} cannot be read: {error.Message}", "Make it readable for this user.", error);
        }

        var files = all.Where(IsAccepted)
            .Select(path => new TextFile(path, Path.GetRelativePath(_path, path).Replace(Path.DirectorySeparatorChar, '/')))
            .OrderBy(file => file.Name, StringComparer.Ordinal).ToList();
        var others = all.Where(path => !IsAccepted(path))
            .CountBy(path => Path.GetExtension(path) is { Length: > 0 } extension ? extension.ToLowerInvariant() : "without extension")
            .OrderByDescending(pair => pair.Value).ThenBy(pair => pair.Key, StringComparer.Ordinal)
            .Select(pair => FormattableString.Invariant($"{pair.Value} {pair.Key}")).ToList();
        if (files.Count == 0)
        {
            var found = others.Count == 0 ? "it has no files" : "found " + string.Join(", ", others.Take(8));
            throw new UserErrorException($"The corpus folder {_path} holds no text: {found}.", $"Give a folder with {Accepted} files.");
        }

        if (others.Count > 0)
            warnings.Add($"passed over files of other kinds: {string.Join(", ", others.Take(8))}");
        return files;
    }

    private FileContent ReadFile(TextFile file, CancellationToken cancellation)
    {
        try
        {
            var content = new FileContent { Bytes = new FileInfo(file.Path).Length };
            switch (Path.GetExtension(file.Path).ToLowerInvariant())
            {
                case not (".txt" or ".md" or ".jsonl" or ".xml"):
                    Others(file, content, cancellation);
                    break;
                case ".jsonl":
                    Records(file, content, cancellation);
                    break;
                case ".xml":
                    Xml(file, content);
                    break;
                default:
                    if (content.Bytes > _wholeFileLimit)
                        Pieces(file, content, cancellation);
                    else
                        Whole(file, content);
                    break;
            }

            return content;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException(
                $"The corpus file {file.Path} cannot be read: {error.Message}", "Make it readable, or remove it from the corpus.", error);
        }
    }

    private static void Whole(TextFile file, FileContent content)
    {
        var text = Decode(File.ReadAllBytes(file.Path), content);
        content.Add(new Document(file.Name, text, file.Name, file.Name), IsMarkdown(file));
    }

    private static void Records(TextFile file, FileContent content, CancellationToken cancellation)
    {
        var number = 0;
        foreach (var line in ByteLines.Of(file.Path))
        {
            cancellation.ThrowIfCancellationRequested();
            number++;
            var json = Decode(line.Span, content);
            if (string.IsNullOrWhiteSpace(json))
                continue;
            try
            {
                using var record = JsonDocument.Parse(json);
                var text = Field(record.RootElement, "text") ?? Field(record.RootElement, "content");
                if (text is null)
                {
                    content.Drop("no_text_field");
                    continue;
                }

                var id = FormattableString.Invariant($"{file.Name}#{number}");
                content.Add(new Document(id, text, id, file.Name, Title: Field(record.RootElement, "title")), markdown: false);
            }
            catch (Exception error) when (error is JsonException or InvalidOperationException)
            {
                // InvalidOperationException: an escape that spells half a surrogate pair.
                content.Drop("malformed_record");
            }
        }
    }

    private static string? Field(JsonElement record, string name) =>
        record.ValueKind == JsonValueKind.Object && record.TryGetProperty(name, out var value) && value.ValueKind == JsonValueKind.String
            ? value.GetString()
            : null;

    private static void Others(TextFile file, FileContent content, CancellationToken cancellation)
    {
        var root = file.Path[..^file.Name.Length];
        foreach (var item in s_others.Read(root, new SourceFile(file.Name, content.Bytes), cancellation))
        {
            if (item.Failure is { } failure)
            {
                content.Drop(failure.Reason);
                content.Warning ??= failure.Detail.TrimStart('/');
                continue;
            }

            var outcome = s_mainText.Apply(item.Document!);
            if (outcome.Drop is { } drop)
                content.Drop(drop.Rule);
            else
                content.Add(outcome.Document with { Id = outcome.Document.Id.TrimStart('/'), Group = outcome.Document.Group.TrimStart('/') }, markdown: false);
        }
    }

    private static void Xml(TextFile file, FileContent content)
    {
        var xml = Decode(File.ReadAllBytes(file.Path), content);
        if (ReferenceXml.IsReference(xml))
        {
            content.Reference = new ReferenceLibrary.Input(file.Name, xml, Copies: 1);
            content.Records++;
            content.TextBytes += Utf8Length(xml);
            return;
        }

        try
        {
            content.Add(new Document(file.Name, ReferenceXml.PlainText(xml), file.Name, file.Name), markdown: false);
        }
        catch (XmlException error)
        {
            content.Drop("malformed_xml");
            content.Warning = $"{file.Name} is not well-formed XML and is not used ({error.Message})";
        }
    }

    private void Pieces(TextFile file, FileContent content, CancellationToken cancellation)
    {
        using var stream = File.OpenRead(file.Path);
        var buffer = new byte[_pieceBytes];
        int filled = 0, number = 0;
        while (true)
        {
            cancellation.ThrowIfCancellationRequested();
            var read = stream.ReadAtLeast(buffer.AsSpan(filled), buffer.Length - filled, throwOnEndOfStream: false);
            filled += read;
            if (filled == 0)
                return;
            var last = filled < buffer.Length;
            var cut = last ? filled : Cut(buffer.AsSpan(0, filled));
            var id = FormattableString.Invariant($"{file.Name}#{++number}");
            content.Add(new Document(id, Decode(buffer.AsSpan(0, cut), content), file.Name, file.Name), IsMarkdown(file));
            buffer.AsSpan(cut, filled - cut).CopyTo(buffer);
            filled -= cut;
        }
    }

    /// <summary>Where a full buffer ends: after the last empty line of its second half, else a line, else a character.</summary>
    private static int Cut(ReadOnlySpan<byte> buffer)
    {
        var half = buffer.Length / 2;
        var empty = buffer[half..].LastIndexOf("\n\n"u8);
        if (empty >= 0)
            return half + empty + 2;
        var line = buffer[half..].LastIndexOf((byte)'\n');
        if (line >= 0)
            return half + line + 1;
        var cut = buffer.Length;
        for (var back = 1; back <= 4 && back < buffer.Length; back++)
        {
            // A byte that is not 10xxxxxx starts a character; it and what follows it wait for the next piece.
            if ((buffer[^back] & 0xC0) != 0x80)
                return buffer[^back] < 0x80 ? cut : buffer.Length - back;
        }

        return cut;
    }

    private static string Decode(ReadOnlySpan<byte> bytes, FileContent content)
    {
        var text = TextDecoder.Decode(bytes, out var invalid);
        content.Invalid += invalid;
        return text;
    }

    private static bool IsAccepted(string path) => s_others.Reads(path);

    private static bool IsMarkdown(TextFile file) => file.Name.EndsWith(".md", StringComparison.OrdinalIgnoreCase);

    private static int Utf8Length(string text) => Encoding.UTF8.GetByteCount(text);

    private sealed record TextFile(string Path, string Name);

    private sealed class FileContent
    {
        public List<Document> Documents { get; } = [];

        public DropCounts Dropped { get; } = new();

        public ReferenceLibrary.Input? Reference { get; set; }

        public string? Warning { get; set; }

        public long Bytes { get; init; }

        public long TextBytes { get; set; }

        public long Records { get; set; }

        public long Invalid { get; set; }

        public void Add(Document document, bool markdown)
        {
            Records++;
            TextBytes += Utf8Length(document.Text);
            Documents.Add(markdown && Heading(document.Text) is { } title ? document with { Title = title } : document);
        }

        public void Drop(string reason)
        {
            Records++;
            Dropped.Add(reason);
        }

        private static string? Heading(string text)
        {
            var line = text.AsSpan().TrimStart();
            if (!line.StartsWith("# "))
                return null;
            var end = line.IndexOfAny('\r', '\n');
            var title = (end < 0 ? line : line[..end])[2..].Trim();
            return title.IsEmpty ? null : title.ToString();
        }
    }
}
