using Cluster.Core.Errors;
using Cluster.Data.Corpus;

namespace Cluster.Data.Tests.Corpus;

public class DotnetReferenceSourceTests
{
    [Fact]
    public void Read_FixturePacks_TakesNewestVersionsAndCountsCopies()
    {
        using var root = new TempFolder();
        var old = Fixtures.Reference("<member name=\"T:A.Old\"><summary>Represents an old thing here.</summary></member>");
        var shared = Fixtures.ManyTypes(3);
        root.Write("packs/Microsoft.NETCore.App.Ref/9.0.10/ref/net9.0/A.xml", old)
            .Write("packs/Microsoft.NETCore.App.Ref/10.0.2-rc.1/ref/net10.0/A.xml", old)
            .Write("packs/Microsoft.NETCore.App.Ref/10.0.2/ref/net10.0/A.xml", shared)
            .Write("packs/Another.App.Ref/10.0.2/ref/net10.0/A.xml", shared)
            .Write("packs/Another.App.Ref/10.0.2/ref/net10.0/B.xml", Fixtures.ManyTypes(1, "Gadget"))
            .Write("packs/Not.A.Reference/10.0.2/ref/net10.0/C.xml", old);

        var content = new DotnetReferenceSource(root.Path).Read(2);

        Assert.Equal(["dotnet:Shop.Widget0", "dotnet:Shop.Widget1", "dotnet:Shop.Widget2", "dotnet:Shop.Gadget0"], content.Documents.Select(document => document.Id));
        Assert.Equal("Microsoft.NETCore.App.Ref/A.xml", content.Documents[0].Source);
        Assert.Equal(3, content.Statistics.Files);
        Assert.Equal(14, content.Statistics.Stages[0].In);
        Assert.Equal(6, content.Statistics.Stages[0].Dropped["duplicate_file"]);
        Assert.Equal(8, content.Statistics.Stages[0].Out);
    }

    [Fact]
    public void Constructor_FolderWithoutPacks_NamesFolderAndRemedy()
    {
        using var root = new TempFolder();

        var error = Assert.Throws<UserErrorException>(() => new DotnetReferenceSource(root.Path));

        Assert.Contains(root.Path, error.What, StringComparison.Ordinal);
        Assert.Contains("packs", error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_InvalidUtf8_IsReplacedAndCounted()
    {
        using var root = new TempFolder();
        root.Write("packs/X.Ref/1.0/ref/net10.0/A.xml", [.. "<doc><members><member name=\"T:A.B\"><summary>Represents a b"u8, 0xC3, .. "d thing.</summary></member></members></doc>"u8]);

        var content = new DotnetReferenceSource(root.Path).Read(1);

        Assert.Equal(1, content.Statistics.InvalidUtf8Sequences);
        Assert.Contains("a b\uFFFDd thing", content.Documents[0].Text, StringComparison.Ordinal);
    }

    [Fact]
    public void Read_RealCollections_IsCleanProse()
    {
        var content = new DotnetReferenceSource(assemblies: ["System.Collections"]).Read(2);

        Assert.True(content.Documents.Count >= 15, $"{content.Documents.Count} documents");
        var list = Assert.Single(content.Documents, document => document.Id == "dotnet:System.Collections.Generic.List`1");
        Assert.StartsWith("# List<T>\n\nNamespace: System.Collections.Generic\n\nRepresents a strongly typed list of objects", list.Text, StringComparison.Ordinal);
        Assert.Contains("## List<T>.Add(T)\n\nAdds an object to the end of the List<T>.", list.Text, StringComparison.Ordinal);
        Assert.Contains("# List<T>.Enumerator", list.Text, StringComparison.Ordinal);
        Assert.All(content.Documents, document =>
        {
            Assert.DoesNotContain("<see", document.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("cref=", document.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("T:System", document.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("-or-", document.Text, StringComparison.Ordinal);
            Assert.DoesNotContain("\n\n\n", document.Text, StringComparison.Ordinal);
        });
        Assert.Equal(content.Documents.Count, content.Documents.Select(document => document.Id).Distinct(StringComparer.Ordinal).Count());
    }
}
