using Cluster.Core.Runs;
using Cluster.Core.Tests.Checkpoints;

namespace Cluster.Core.Tests.Runs;

public sealed class RunFolderTests : IDisposable
{
    private readonly TemporaryFolder _root = new();

    public void Dispose() => _root.Dispose();

    [Fact]
    public void Find_RunBelowTheRoot_ItsFolder()
    {
        Directory.CreateDirectory(_root.At("a run"));
        File.WriteAllText(_root.At("a run/recipe.json"), "{}");

        Assert.Equal(_root.At("a run"), RunFolder.Find(_root.At(""), "a run")!.Path);
    }

    [Theory]
    [InlineData("")]
    [InlineData(".")]
    [InlineData("..")]
    [InlineData(".hidden")]
    [InlineData("../outside")]
    [InlineData("a/../b")]
    [InlineData("a\\b")]
    [InlineData("a\0b")]
    [InlineData("missing")]
    public void Find_NoNameOfARun_Null(string name)
    {
        File.WriteAllText(_root.At("recipe.json"), "{}");
        Directory.CreateDirectory(_root.At("root"));

        Assert.Null(RunFolder.Find(_root.At("root"), name));
        Assert.Null(RunFolder.Find(_root.At("root"), new string('x', 201)));
    }
}
