namespace Cluster.Cli.Tests.Hosting;

public class CommandLineTests
{
    [Theory]
    [InlineData("nothing")]
    [InlineData("tokenizer")]
    [InlineData("tokenizer", "train", "--corpus", "x")]
    [InlineData("tokenizer", "train", "--vocab", "many", "--out", "x")]
    [InlineData("train", "--recipe", "demo")]
    [InlineData("train", "--out", "x", "--seed", "-1")]
    [InlineData("demo", "--minutes", "soon")]
    [InlineData("runs", "--hats")]
    public async Task Run_DoesNotParse_Exit2AndHint(params string[] arguments)
    {
        var result = await Cli.RunAsync(arguments);
        Assert.Equal((2, ""), (result.Code, result.Output));
        Assert.Contains("--help`.", result.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--help")]
    [InlineData("train", "--help")]
    [InlineData("--version")]
    public async Task Run_Help_Exit0(params string[] arguments)
    {
        var result = await Cli.RunAsync(arguments);
        Assert.Equal((0, ""), (result.Code, result.Error));
        // Those are for processes that the program starts itself.
        Assert.DoesNotContain("  store ", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("  web ", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_Fault_OneLineAndExit70()
    {
        var result = await Faulty().ThenAsync("doctor");
        Assert.Equal(70, result.Code);
        Assert.Equal("This is a fault of this program, please report it: InvalidOperationException: broken (CLUSTER_TRACE=1 shows where it happened)\n", result.Error);
    }

    [Fact]
    public async Task Run_FaultWithTrace_HasTheStack()
    {
        var cli = Faulty();
        cli.Variables["CLUSTER_TRACE"] = "1";
        var result = await cli.ThenAsync("doctor");
        Assert.Equal(70, result.Code);
        Assert.Contains("   at Cluster.", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_FullDisk_IsUserError() =>
        Cli.AssertUserError(await new Cli { Diagnose = _ => throw new IOException("No space left on device : '/runs/x'") }.ThenAsync("doctor"), "No space left on device", "disk has space");

    private static Cli Faulty() => new() { Diagnose = _ => throw new InvalidOperationException("broken") };
}
