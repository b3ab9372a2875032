using Cluster.Cli.Chat;
using Cluster.Cli.Diagnostics;
using Cluster.Cli.Tests.Chat;
using Cluster.Core.Runs;

namespace Cluster.Cli.Tests.Verbs;

public sealed class DemoVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();
    private readonly string _corpus;

    public DemoVerbTests() => _corpus = Path.GetDirectoryName(_folder.Write("text/a.txt", "Some text."))!;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Demo_NewFolder_RunsTheDemoRecipeInTheTime()
    {
        var cli = new Cli();
        var result = await cli.ThenAsync("demo", "--corpus", _corpus, "--minutes", "2.5", "--out", _folder.In("demo"), "--replicas", "2");
        Assert.Equal(0, result.Code);
        var request = cli.Host.Request!;
        Assert.Equal(("demo", 2.5, 2, _folder.In("demo")), (request.Recipe.Name, request.Minutes!.Value, request.Replicas, request.Folder.Path));
        Assert.NotNull(request.SamplePrompt);
        Assert.Contains("Next", result.Output, StringComparison.Ordinal);
        Assert.Contains($"cluster chat --run {_folder.In("demo")}\n", result.Output, StringComparison.Ordinal);
        Assert.Contains($"cluster train --recipe {_folder.In("demo/recipe.json")} --corpus {_corpus} --replicas 3 --out {_folder.In("demo-again")}\n", result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--minutes", "0.5", "--minutes is 0.5")]
    [InlineData("--minutes", "1441", "--minutes is 1441")]
    [InlineData("--minutes", "NaN", "--minutes is NaN")]
    [InlineData("--replicas", "0", "--replicas is 0")]
    [InlineData("--web-port", "0", "--web-port is 0")]
    [InlineData("--corpus", "/nowhere", "/nowhere does not exist")]
    public async Task Demo_BadInput_IsUserError(string option, string value, string part) =>
        Cli.AssertUserError(await Cli.RunAsync("demo", "--out", _folder.In("demo"), option, value), part);

    [Fact]
    public async Task Demo_UnfitMachine_ShowsFailuresOnly()
    {
        var cli = new Cli { Health = DoctorReport.Of([new("cores", "1", CheckStatus.Warning, "Give it two."), new("disk", "0 B free", CheckStatus.Failure, "Free some.")]) };
        Cli.AssertUserError(await cli.ThenAsync("demo", "--corpus", _corpus, "--out", _folder.In("demo")), "disk: 0 B free. Free some.");
        Assert.Null(cli.Host.Request);
    }

    [Fact]
    public async Task Demo_UnfinishedRunRedirected_ResumesWithoutAsking()
    {
        var run = TestRuns.Write(_folder.In("demo"), finished: false);
        var cli = new Cli();
        Assert.Equal(0, (await cli.ThenAsync("demo", "--out", run.Path)).Code);
        Assert.Equal(run.Path, cli.Host.Request!.Folder.Path);
    }

    [Fact]
    public async Task Demo_FinishedRunRedirected_ShowsItsExchanges()
    {
        var run = TestRuns.Write(_folder.In("demo"), finished: true);
        var cli = new Cli();
        var result = await cli.ThenAsync("demo", "--out", run.Path);
        Assert.Null(cli.Host.Request);
        Assert.Contains("  question: What is String?\n     model: A string.\n      text: Represents text as UTF-16.\n", result.Output, StringComparison.Ordinal);
        Assert.DoesNotContain("early text", result.Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("r\n", "demo")]
    [InlineData("\n", "demo")]
    [InlineData("what?\nn\n", "demo-2")]
    [InlineData("", "demo")]
    public async Task Demo_UnfinishedRunOnTerminal_AsksWhatToDo(string answer, string folder)
    {
        var run = TestRuns.Write(_folder.In("demo"), finished: false);
        var cli = new Cli { IsTerminal = true, Input = System.Text.Encoding.UTF8.GetBytes(answer) };
        var result = await cli.ThenAsync("demo", "--no-chat", "--corpus", _corpus, "--out", run.Path);
        Assert.Equal(0, result.Code);
        Assert.Contains("is not finished (step 340 of pretraining)", result.Output, StringComparison.Ordinal);
        Assert.Equal(_folder.In(folder), cli.Host.Request!.Folder.Path);
    }

    [Fact]
    public async Task Demo_FinishedRunOnTerminal_GoesStraightToTheChat()
    {
        var run = TestRuns.Write(_folder.In("demo"), finished: true);
        var model = new FakeChatModel(_ => ["A ", "string."]);
        var cli = new Cli { IsTerminal = true, Input = "c\nWhat is String?\n/exit\n"u8.ToArray(), ChatModel = model };
        var result = await cli.ThenAsync("demo", "--out", run.Path);
        Assert.Equal(0, result.Code);
        Assert.Null(cli.Host.Request);
        Assert.Contains("> A string.\n> ", result.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Demo_CtrlCAfterChoosingANewFolder_ResumeCommandNamesThat()
    {
        var run = TestRuns.Write(_folder.In("demo"), finished: false);
        var cli = new Cli { IsTerminal = true, Input = "n\n"u8.ToArray() };
        cli.Host.Script = (_, cancellation) =>
        {
            cli.Interrupts.Press();
            cancellation.ThrowIfCancellationRequested();
            return Task.CompletedTask;
        };
        var result = await cli.ThenAsync("demo", "--out", run.Path, "--corpus", _corpus, "--no-chat");
        Assert.Equal(130, result.Code);
        Assert.Contains($"cluster demo --corpus {_corpus} --no-chat --out {run.Path}-2", result.Output, StringComparison.Ordinal);
    }
}
