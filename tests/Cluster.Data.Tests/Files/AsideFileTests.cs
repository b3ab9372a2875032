using Cluster.Core.Errors;
using Cluster.Data.Files;
using Cluster.Data.Tests.Corpus;

namespace Cluster.Data.Tests.Files;

public sealed class AsideFileTests
{
    [Fact]
    public void Complete_WithAHeader_FileAppearsWholeOverTheOlderOne()
    {
        using var folder = new TempFolder();
        folder.Write("sub/file", "older");
        using (var file = new AsideFile(folder.In("sub/file"), 4))
        {
            file.Write("body"u8);
            Assert.Equal("older", File.ReadAllText(folder.In("sub/file")));
            file.Complete("head"u8);
        }

        Assert.Equal("headbody", File.ReadAllText(folder.In("sub/file")));
        Assert.Single(Directory.GetFiles(folder.In("sub")));
    }

    [Fact]
    public void Dispose_BeforeItIsComplete_NothingIsLeft()
    {
        using var folder = new TempFolder();
        using (var file = new AsideFile(folder.In("new/file"), 4))
        {
            file.Write("body"u8);
            Assert.Throws<ArgumentOutOfRangeException>(() => file.Complete("wrong"u8));
        }

        Assert.Empty(Directory.GetFiles(folder.In("new")));
    }

    [Fact]
    public void Create_WhereNoFileCanBe_NamesIt()
    {
        using var folder = new TempFolder();
        folder.Write("file", "no folder");
        var error = Assert.Throws<UserErrorException>(() => new AsideFile(folder.In("file/below")));
        Assert.Contains(folder.In("file/below"), error.What, StringComparison.Ordinal);
        using var aside = new AsideFile(folder.In("taken"));
        Directory.CreateDirectory(folder.In("taken"));
        Assert.Contains(folder.In("taken"), Assert.Throws<UserErrorException>(() => aside.Complete()).What, StringComparison.Ordinal);
    }
}
