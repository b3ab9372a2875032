using System.Text;
using Cluster.Core.Errors;
using Cluster.Data.Corpus;

namespace Cluster.Data.Tests.Corpus;

public class FolderSourceTests
{
    [Fact]
    public void Read_MixedFolder_YieldsDocumentsInOrdinalOrder()
    {
        using var folder = new TempFolder();
        folder.Write("b.txt", "second").Write("B.txt", "first, as capitals come before small letters")
            .Write("sub/a.md", "# A heading\n\nbody").Write("c.jsonl", "{\"text\":\"one\",\"title\":\"t\"}\n\n{\"content\":\"two\"}\r\n")
            .Write("z.xml", "<book><p>Some</p><p>words</p></book>").Write(".hidden.txt", "no").Write("skip.pdf", "no").Write(".git/x.txt", "no");

        var content = new FolderSource(folder.Path).Read(3);

        Assert.Equal(["B.txt", "b.txt", "c.jsonl#1", "c.jsonl#3", "sub/a.md", "z.xml"], content.Documents.Select(document => document.Id));
        Assert.Equal(["one", "two"], content.Documents.Where(document => document.Source == "c.jsonl").Select(document => document.Text));
        Assert.Equal("t", content.Documents[2].Title);
        Assert.Equal("A heading", content.Documents[4].Title);
        Assert.Equal("Some\n\nwords", content.Documents[5].Text);
        Assert.NotEqual(content.Documents[2].Group, content.Documents[3].Group);
        Assert.Equal(5, content.Statistics.Files);
        Assert.Equal("passed over files of other kinds: 1 .pdf", Assert.Single(content.Statistics.Warnings));
    }

    [Fact]
    public void Read_BadRecords_AreCountedByReason()
    {
        using var folder = new TempFolder();
        folder.Write("a.jsonl", "{\"text\":\"fine\"}\nnot json\n{\"other\":1}\n{\"text\":5}\n[]\n").Write("b.xml", "<open>");

        var content = new FolderSource(folder.Path).Read(1);

        var stage = Assert.Single(content.Statistics.Stages);
        Assert.Equal(new Dictionary<string, long> { ["malformed_record"] = 1, ["malformed_xml"] = 1, ["no_text_field"] = 3 }, stage.Dropped);
        Assert.Equal((6, 1), (stage.In, stage.Out));
        Assert.Contains("b.xml is not well-formed", Assert.Single(content.Statistics.Warnings), StringComparison.Ordinal);
    }

    [Fact]
    public void Read_InvalidUtf8AndMark_AreReplacedCountedAndRemoved()
    {
        using var folder = new TempFolder();
        folder.Write("a.txt", [0xEF, 0xBB, 0xBF, 0x61, 0xFF, 0xFE, 0x62]).Write("b.jsonl", [.. "{\"text\":\"x"u8, 0x80, .. "\"}"u8]);

        var content = new FolderSource(folder.Path).Read(2);

        Assert.Equal(["a\uFFFD\uFFFDb", "x\uFFFD"], content.Documents.Select(document => document.Text));
        Assert.Equal(3, content.Statistics.InvalidUtf8Sequences);
    }

    [Fact]
    public void Read_SingleFile_IsOneDocument()
    {
        using var folder = new TempFolder();
        folder.Write("input.txt", "all of it");

        Assert.Equal("all of it", Assert.Single(new FolderSource(folder.In("input.txt")).Read(1).Documents).Text);
    }

    [Fact]
    public void Read_ReferenceXml_GivesTypesAsWell()
    {
        using var folder = new TempFolder();
        folder.Write("docs.xml", Fixtures.ManyTypes(4)).Write("a.txt", "plain");

        var content = new FolderSource(folder.Path).Read(2);

        Assert.Equal(4, content.Types.Count);
        Assert.Equal(["a.txt", "reference:Shop.Widget0", "reference:Shop.Widget1", "reference:Shop.Widget2", "reference:Shop.Widget3"], content.Documents.Select(document => document.Id));
    }

    [Theory]
    [InlineData("one two\n\nthree four\n\nfive six\n\nseven", 16)]
    [InlineData("a line\nanother line\nyet another line\nand one more", 20)]
    [InlineData("keinegrenzeüberhauptüüüüüüüüüüüüüüüüüü", 9)]
    [InlineData("日本語の文章には空白がありません", 10)]
    public void Read_LargeFile_IsCutIntoPiecesWithoutLoss(string text, int pieceBytes)
    {
        using var folder = new TempFolder();
        folder.Write("big.txt", text);

        var content = new FolderSource(folder.In("big.txt"), wholeFileLimit: 8, pieceBytes).Read(1);

        Assert.True(content.Documents.Count > 1);
        Assert.Equal(text, string.Concat(content.Documents.Select(document => document.Text)));
        Assert.Equal(0, content.Statistics.InvalidUtf8Sequences);
        Assert.Equal("big.txt", Assert.Single(content.Documents.Select(document => document.Group).Distinct()));
        Assert.All(content.Documents, document => Assert.True(Encoding.UTF8.GetByteCount(document.Text) <= pieceBytes));
    }

    [Fact]
    public void Read_LongLines_ReachBeyondTheFirstBuffer()
    {
        using var folder = new TempFolder();
        var text = new string('x', 300_000);
        folder.Write("a.jsonl", $"{{\"text\":\"{text}\"}}\n{{\"text\":\"end\"}}");

        Assert.Equal([text, "end"], new FolderSource(folder.Path).Read(1).Documents.Select(document => document.Text));
    }

    [Fact]
    public void Read_MissingPath_SaysWhatIsAccepted()
    {
        var error = Assert.Throws<UserErrorException>(() => new FolderSource("/no/such/folder").Read(1));

        Assert.Equal("The corpus path /no/such/folder does not exist.", error.What);
        Assert.Contains(".jsonl", error.Remedy, StringComparison.Ordinal);
        Assert.Throws<UserErrorException>(() => new FolderSource(" "));
    }

    [Fact]
    public void Read_FolderWithoutText_SaysWhatWasFound()
    {
        using var folder = new TempFolder();
        Assert.Contains("it has no files", Assert.Throws<UserErrorException>(() => new FolderSource(folder.Path).Read(1)).What, StringComparison.Ordinal);
        folder.Write("a.PDF", "x").Write("b.pdf", "x").Write("LICENSE", "x");
        Assert.Contains("found 2 .pdf, 1 without extension", Assert.Throws<UserErrorException>(() => new FolderSource(folder.Path).Read(1)).What, StringComparison.Ordinal);
        Assert.Contains("of a kind that is not read", Assert.Throws<UserErrorException>(() => new FolderSource(folder.In("b.pdf")).Read(1)).What, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_EmptyFiles_SaysThatThereIsNoText()
    {
        using var folder = new TempFolder();
        folder.Write("a.txt", " \n").Write("b.jsonl", "{}\n");

        var error = Assert.Throws<UserErrorException>(() => new FolderSource(folder.Path).Read(2));

        Assert.Contains("holds 2 file(s) of 5 bytes in all, but no text (1 no_text_field)", error.What, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_UnreadableFile_NamesIt()
    {
        using var folder = new TempFolder();
        folder.Write("a.txt", "x");
        // A link into nowhere is listed but cannot be opened, whoever runs the test.
        File.CreateSymbolicLink(folder.In("broken.txt"), folder.In("gone.txt"));

        var error = Assert.Throws<UserErrorException>(() => new FolderSource(folder.Path).Read(2));

        Assert.Contains("broken.txt cannot be read", error.What, StringComparison.Ordinal);
    }
}
