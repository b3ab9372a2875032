using Cluster.Cli.Hosting;

namespace Cluster.Cli.Tests.Hosting;

public sealed class CommandNameTests
{
    [Fact]
    public void Of_Checkout_IsTheReadmesCommand()
    {
        using var folder = new TempFolder();
        folder.Write("src/Cluster.Cli/Cluster.Cli.csproj", "");
        var output = folder.In("src/Cluster.Cli/bin/Release/net10.0/");
        Assert.Equal("dotnet run -c Release --project src/Cluster.Cli --", CommandName.Of(output, folder.Path));
        Assert.Equal("dotnet run -c Release --project . --", CommandName.Of(output, folder.In("src/Cluster.Cli")));
        Assert.Equal("cluster", CommandName.Of(folder.In("tools"), folder.Path));
    }

    [Theory]
    [InlineData("--out", "--out")]
    [InlineData("./runs/demo-2", "./runs/demo-2")]
    [InlineData("", "''")]
    [InlineData("my text", "'my text'")]
    [InlineData("it's $HOME", @"'it'\''s $HOME'")]
    public void Argument_ForAShell_IsQuotedWhereNeeded(string text, string quoted) => Assert.Equal(quoted, Quoting.Argument(text));
}
