using System.IO.Compression;
using System.Text;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Sources;
using Cluster.Data.Corpus.Sources.Files;
using Parquet;
using Parquet.Schema;
using ZstdSharp;

namespace Cluster.Data.Tests.Corpus.Sources;

public class FileReadingTests
{
    [Fact]
    public void Read_EachFormatPlainAndCompressed_SameTexts()
    {
        using var folder = new TempFolder();
        var jsonl = "{\"text\":\"first\",\"url\":\"http://a/1\",\"lang\":\"EN\",\"date\":\"2024-05-06\"}\n{\"content\":\"second\"}\n";
        folder.Write("a.txt", "plain text");
        folder.Write("b.md", "# Heading\n\nmarkdown");
        folder.Write("c.jsonl", jsonl);
        folder.Write("d.html", "<p>page</p>");
        folder.Write("e.xml", "<x><y>node</y></x>");
        Gzip(folder, "c.jsonl.gz", jsonl);
        Zstd(folder, "c.jsonl.zst", jsonl);
        Gzip(folder, "a.txt.gz", "plain text");

        var items = ReadAll(folder.Path);

        Assert.All(items, item => Assert.Null(item.Failure));
        Assert.Equal(
            ["set/a.txt plain text", "set/a.txt.gz plain text", "set/b.md # Heading\n\nmarkdown", "set/c.jsonl#0 first", "set/c.jsonl#68 second",
                "set/c.jsonl.gz#0 first", "set/c.jsonl.gz#68 second", "set/c.jsonl.zst#0 first", "set/c.jsonl.zst#68 second", "set/d.html <p>page</p>", "set/e.xml node"],
            items.Select(item => $"{item.Document!.Id} {item.Document.Text}"));
        var record = items[3].Document!.Metadata;
        Assert.Equal(("http://a/1", "en", new DateTimeOffset(2024, 5, 6, 0, 0, 0, TimeSpan.Zero)), (record.Url, record.Language, record.Date!.Value));
        Assert.Equal("Heading", items[2].Document!.Title);
        Assert.Equal("text/html", items[9].Document!.Metadata.ContentType);
    }

    [Fact]
    public async Task Read_Parquet_RowsOfAllGroupsWithTheirFields()
    {
        using var folder = new TempFolder();
        await Parquet(Path.Combine(folder.Path, "p.parquet"), [["one", "two"], ["three"]]);

        var items = ReadAll(folder.Path);

        Assert.Equal([], items.Select(item => item.Failure?.Detail).OfType<string>());
        Assert.Equal(["set/p.parquet#0 one", "set/p.parquet#1 two", "set/p.parquet#2 three"], items.Select(item => $"{item.Document!.Id} {item.Document.Text}"));
        Assert.Equal("http://x/three", items[2].Document!.Metadata.Url);
    }

    [Fact]
    public async Task Read_DamagedParquet_OneFailureWithItsReason()
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "p.parquet");
        await Parquet(path, [["one", "two"], ["three"]]);
        var whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, whole[..(whole.Length / 2)]);
        File.WriteAllText(Path.Combine(folder.Path, "q.parquet"), "not parquet at all");

        Assert.Equal(["corrupt_parquet", "corrupt_parquet"], ReadAll(folder.Path).Select(item => item.Failure?.Reason));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    [InlineData(3_000)]
    public void Read_CutGzip_TextsBeforeTheCutThenAFailure(int missing)
    {
        using var folder = new TempFolder();
        var lines = string.Concat(Enumerable.Range(0, 5_000).Select(i => $"{{\"text\":\"{StableHash.Hash64(i.ToString(System.Globalization.CultureInfo.InvariantCulture))}\"}}\n"));
        Gzip(folder, "a.jsonl.gz", lines);
        var path = Path.Combine(folder.Path, "a.jsonl.gz");
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^missing]);

        var items = ReadAll(folder.Path);

        Assert.Equal("corrupt_gzip", items[^1].Failure?.Reason);
        Assert.Single(items, item => item.Failure is not null);
        Assert.True(items.Count > 1_000);
    }

    [Fact]
    public void Read_CutZstd_Fails()
    {
        using var folder = new TempFolder();
        Zstd(folder, "a.txt.zst", new string('x', 10_000));
        var path = Path.Combine(folder.Path, "a.txt.zst");
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..^3]);

        Assert.Equal("corrupt_zstd", ReadAll(folder.Path).Single().Failure?.Reason);
    }

    [Fact]
    public void Read_AnyRangesOfJsonLines_EachRecordOnce()
    {
        using var folder = new TempFolder();
        var text = string.Concat(Enumerable.Range(0, 60).Select(i => $"{{\"text\":\"{new string((char)('a' + i % 26), i * 7 % 53)}\"}}{(i % 3 == 0 ? "\r\n" : "\n")}"));
        folder.Write("a.jsonl", text);
        var whole = ReadAll(folder.Path).Select(item => item.Document!.Id).ToList();
        var file = new SourceFile("a.jsonl", text.Length);
        for (var size = 1; size < 200; size += 6)
        {
            var parts = new List<string>();
            for (var start = 0; start < text.Length; start += size)
                parts.AddRange(Reading().Read(folder.Path, file with { Start = start, End = Math.Min(text.Length, start + size) }, default).Select(item => item.Document!.Id));
            Assert.Equal(whole, parts);
        }
    }

    [Fact]
    public void Read_LineBeyondTheLimit_SkippedAndTheRestRead()
    {
        using var folder = new TempFolder();
        folder.Write("a.jsonl", "{\"text\":\"a\"}\n{\"text\":\"" + new string('x', 5_000) + "\"}\n{\"text\":\"b\"}\nnot json\n{\"other\":1}\n");
        folder.Write("b.txt", "short line\n\n" + new string('y', 5_000) + "\nlast line\n");

        var items = ReadAll(folder.Path, new ReadLimits { MaximumLineBytes = 1_000, MaximumDocumentBytes = 1_000 });

        Assert.Equal(
            ["a", "line_too_long", "b", "malformed_record", "no_text_field", "short line\n\n", "line_too_long", "last line\n"],
            items.Select(item => item.Document?.Text ?? item.Failure!.Reason));
        Assert.Equal(5_012, items[1].Failure!.Bytes);
        Assert.Equal(5_001, items[6].Failure!.Bytes);
    }

    [Fact]
    public void Read_TwoGigabytesWithoutALineEnd_SkippedInLittleMemory()
    {
        using var folder = new TempFolder();
        foreach (var (name, length) in ((string, long)[])[("a.jsonl", 2_100_000_000), ("b.txt", 100_000_000)])
        {
            // Sparse: it takes no space on the disk.
            using var file = File.Create(Path.Combine(folder.Path, name));
            file.SetLength(length);
        }

        var before = GC.GetAllocatedBytesForCurrentThread();
        var items = ReadAll(folder.Path, new ReadLimits { MaximumLineBytes = 1 << 20, MaximumDocumentBytes = 1 << 20 });
        Assert.Equal([2_100_000_000, 100_000_000], items.Select(item => item.Failure?.Bytes));
        Assert.All(items, item => Assert.Equal("line_too_long", item.Failure?.Reason));
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < 16 << 20);
    }

    [Fact]
    public void Find_LinksThatLoop_EachFileOnceAndTheLoopsCounted()
    {
        using var folder = new TempFolder();
        folder.Write("a/b.txt", "text");
        Directory.CreateSymbolicLink(Path.Combine(folder.Path, "a", "back"), folder.Path);
        File.CreateSymbolicLink(Path.Combine(folder.Path, "self.txt"), Path.Combine(folder.Path, "self.txt"));
        File.CreateSymbolicLink(Path.Combine(folder.Path, "nowhere.txt"), Path.Combine(folder.Path, "missing.txt"));
        File.CreateSymbolicLink(Path.Combine(folder.Path, "link.txt"), Path.Combine(folder.Path, "a", "b.txt"));
        folder.Write(".hidden/x.txt", "hidden");
        folder.Write("c.bin", "binary");

        var (files, failures, passedOver) = FileWalk.Find(folder.Path, Reading().Reads, name => name);

        Assert.Equal(["a/b.txt", "link.txt"], files.Select(file => file.Path));
        Assert.Equal(["nowhere.txt broken_link", "self.txt broken_link"], failures.Select(failure => $"{failure.Id} {failure.Reason}"));
        Assert.Equal(["link_to_folder 1", "other_kind.bin 1"], passedOver.Select(pair => $"{pair.Key} {pair.Value}"));
    }

    [Fact]
    public async Task Acquire_TwentyThousandTinyFilesAndOneUnreadable_EachReadOnceAndTheOneCounted()
    {
        using var folder = new TempFolder();
        for (var sub = 0; sub < 20; sub++)
        {
            Directory.CreateDirectory(folder.In($"{sub:00}"));
            for (var i = 0; i < 1_000; i++)
                File.WriteAllText(folder.In($"{sub:00}/{i:000}.txt"), "tiny");
        }

        // Whoever asks, reading it is an input/output error.
        if (OperatingSystem.IsLinux())
            File.CreateSymbolicLink(folder.In("bad.txt"), "/proc/self/mem");
        var snapshot = await new FolderCorpusSource(folder.Path, Reading()).AcquireAsync("");
        var items = snapshot.Files.SelectMany(file => Reading().Read(folder.Path, file, default)).ToList();
        Assert.Equal(20_000, items.Count(item => item.Document?.Text == "tiny"));
        Assert.Equal(OperatingSystem.IsLinux() ? ["unreadable_file"] : [], items.Select(item => item.Failure?.Reason).OfType<string>());
    }

    [Fact]
    public void Read_VanishedFile_Fails()
    {
        using var folder = new TempFolder();
        var items = Reading().Read(folder.Path, new SourceFile("gone.txt", 12), default).ToList();
        Assert.Equal(("vanished_file", 12L), (items.Single().Failure!.Reason, items.Single().Failure!.Bytes));
    }

    [Fact]
    public void Cut_ManyTinyFilesAndALargeOne_EveryByteOnceInOrder()
    {
        var files = Enumerable.Range(0, 20_000).Select(i => new SourceFile($"{i:00000}.txt", 10)).Append(new SourceFile("z.jsonl", 10_000)).ToList();
        var limits = new ReadLimits { PartitionBytes = 4_096, PartitionFiles = 100 };

        var partitions = CorpusPlan.Cut(files, Reading(), limits).ToList();

        Assert.Equal(200 + 3, partitions.Count);
        Assert.Equal(files.Take(20_000).Select(file => file.Path), partitions.Take(200).SelectMany(files => files).Select(file => file.Path));
        Assert.Equal([(0, 4_096), (4_096, 8_192), (8_192, 10_000)], partitions.Skip(200).Select(files => (files[0].Start, files[0].End!.Value)));
    }

    internal static FileReading Reading(ReadLimits? limits = null) => new("set", DocumentMetadata.Unknown, ["text", "content"], limits ?? ReadLimits.Default);

    private static List<SourceItem> ReadAll(string root, ReadLimits? limits = null)
    {
        var reading = Reading(limits);
        return [.. FileWalk.Find(root, reading.Reads, name => name).Files.SelectMany(file => reading.Read(root, new SourceFile(file.Path, file.Bytes), default))];
    }

    private static void Gzip(TempFolder folder, string name, string text)
    {
        using var stream = new GZipStream(File.Create(Path.Combine(folder.Path, name)), CompressionLevel.Fastest);
        stream.Write(Encoding.UTF8.GetBytes(text));
    }

    private static void Zstd(TempFolder folder, string name, string text)
    {
        using var stream = new CompressionStream(File.Create(Path.Combine(folder.Path, name)), leaveOpen: false);
        stream.Write(Encoding.UTF8.GetBytes(text));
    }

    private static async Task Parquet(string path, string[][] groups)
    {
        var (text, url) = (new DataField<string>("text"), new DataField<string>("url"));
        await using var stream = File.Create(path);
        await using var writer = await ParquetWriter.CreateAsync(new ParquetSchema(text, url), stream);
        foreach (var group in groups)
        {
            using var rows = writer.CreateRowGroup();
            await rows.WriteAsync(text, (IReadOnlyCollection<string>)group);
            await rows.WriteAsync(url, (IReadOnlyCollection<string>)[.. group.Select(value => "http://x/" + value)]);
        }
    }
}
