using System.Net;
using System.Net.Sockets;
using System.Text.Json;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;

namespace Cluster.Cli.Tests.Verbs;

public sealed class TrainVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Train_AllOptions_BecomeTheRequest()
    {
        _folder.Write("text/a.txt", "Some text.");
        var cli = new Cli();
        var result = await cli.ThenAsync("train", "--recipe", "shakespeare-char", "--corpus", _folder.In("text"), "--set", "training.lanes=3", "--set", "training.steps=90",
            "--replicas", "3", "--steps", "40", "--seed", "7", "--out", _folder.In("run"));
        Assert.Equal(0, result.Code);
        var request = cli.Host.Request!;
        Assert.Equal((_folder.In("run"), _folder.In("text"), 3, 40L), (request.Folder.Path, request.CorpusPath, request.Replicas, request.StopAfter));
        Assert.Equal(("shakespeare-char", 7UL, 3, 90), (request.Recipe.Name, request.Recipe.Seed, request.Recipe.Training.Lanes, request.Recipe.Training.Steps));
        Assert.Null(request.Minutes);
        Assert.Null(cli.Host.WebPort);
        Assert.NotEmpty(request.Silos);
    }

    [Fact]
    public async Task Train_NoReplicas_TakesCoresWithinLanes()
    {
        _folder.Write("text/a.txt", "Some text.");
        var cli = new Cli();
        await cli.ThenAsync("train", "--recipe", "demo", "--corpus", _folder.In("text"), "--set", "training.lanes=1", "--out", _folder.In("run"));
        Assert.Equal(1, cli.Host.Request!.Replicas);
    }

    [Fact]
    public async Task Train_Json_IsTheSummaryAloneOnStandardOutput()
    {
        _folder.Write("text/a.txt", "Some text.");
        var result = await Cli.RunAsync("train", "--recipe", "demo", "--corpus", _folder.In("text"), "--out", _folder.In("run"), "--json");
        using var json = JsonDocument.Parse(result.Output);
        foreach (var name in (string[])["weights_sha256", "steps", "tokens", "train_loss", "validation_loss", "validation_bits_per_byte", "tokens_per_second", "mfu",
            "recipe", "recipe_sha256", "stages", "checkpoints_loaded"])
            Assert.True(json.RootElement.TryGetProperty(name, out _), name);
        Assert.Contains("Validation loss 2.250", result.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Train_RunExists_IsUserErrorAndNothingChanges()
    {
        var run = TestRuns.Write(_folder.In("run"), finished: false);
        var before = File.ReadAllText(run.Recipe);
        var cli = new Cli();
        Cli.AssertUserError(await cli.ThenAsync("train", "--recipe", "demo", "--out", run.Path), run.Path, "--resume");
        Assert.Null(cli.Host.Request);
        Assert.Equal(before, File.ReadAllText(run.Recipe));
    }

    [Fact]
    public async Task Train_Resume_TakesTheRunsOwnRecipe()
    {
        var own = NamedRecipes.Get("demo") with { Seed = 99 };
        var run = TestRuns.Write(_folder.In("run"), finished: false, own);
        var cli = new Cli();
        Assert.Equal(0, (await cli.ThenAsync("train", "--out", run.Path, "--resume")).Code);
        Assert.Equal(RecipeJson.Hash(own), RecipeJson.Hash(cli.Host.Request!.Recipe));
        Assert.Equal(0, (await cli.ThenAsync("train", "--recipe", "demo", "--seed", "99", "--out", run.Path, "--resume")).Code);
    }

    [Theory]
    [InlineData("--seed", "98")]
    [InlineData("--set", "training.steps=7")]
    [InlineData("--depth", "9")]
    [InlineData("--recipe", "shakespeare-char")]
    public async Task Train_ResumeWithAnotherRecipe_IsUserError(string option, string value)
    {
        var run = TestRuns.Write(_folder.In("run"), finished: false);
        Cli.AssertUserError(await Cli.RunAsync("train", option, value, "--out", run.Path, "--resume"), run.Path, "another recipe");
    }

    [Fact]
    public async Task Train_DamagedRecipeOfTheRun_IsUserError()
    {
        var run = TestRuns.Write(_folder.In("run"), finished: false);
        File.WriteAllText(run.Recipe, File.ReadAllText(run.Recipe)[..50]);
        Cli.AssertUserError(await Cli.RunAsync("train", "--out", run.Path, "--resume"), run.Recipe);
    }

    [Fact]
    public async Task Train_BadInput_IsUserErrorBeforeAnythingStarts()
    {
        _folder.Write("text/a.txt", "Some text.");
        _folder.Write("images/a.png", "x");
        var notes = _folder.Write("notes/report.md", "mine");
        var file = _folder.Write("file", "x");
        var cli = new Cli();
        Cli.AssertUserError(await cli.ThenAsync("train", "--out", _folder.In("run")), "--recipe is missing", "demo");
        Cli.AssertUserError(await cli.ThenAsync("train", "--out", _folder.In("run"), "--resume"), "no run to resume");
        Cli.AssertUserError(await Train("--recipe", "nothing"), "--recipe nothing");
        Cli.AssertUserError(await Train("--recipe", "demo", "--replicas", "0"), "--replicas is 0", "1 to 256");
        Cli.AssertUserError(await Train("--recipe", "demo", "--replicas", "257"), "--replicas is 257");
        Cli.AssertUserError(await Train("--recipe", "demo", "--steps", "0"), "--steps is 0");
        Cli.AssertUserError(await Train("--recipe", "demo", "--web-port", "65536"), "--web-port is 65536");
        Cli.AssertUserError(await Train("--recipe", "demo", "--set", "training.steps=0"), "training.steps is 0", "1 to 100000000");
        Cli.AssertUserError(await Train("--recipe", "demo", "--set", "model.heads=5"), "model.heads is 5");
        Cli.AssertUserError(await Train("--recipe", "demo", "--corpus", _folder.In("missing")), _folder.In("missing"));
        Cli.AssertUserError(await Train("--recipe", "demo", "--corpus", _folder.In("images")), "holds no text");
        Cli.AssertUserError(await cli.ThenAsync("train", "--recipe", "demo", "--corpus", _folder.In("text"), "--out", file), "is a file");
        Cli.AssertUserError(await cli.ThenAsync("train", "--recipe", "demo", "--corpus", _folder.In("text"), "--out", _folder.In("notes")), "holds files but no run");
        Assert.Null(cli.Host.Request);
        Assert.Equal("mine", File.ReadAllText(notes));
        Assert.False(Directory.Exists(_folder.In("run")));

        Task<CliResult> Train(params string[] arguments) => cli.ThenAsync(["train", "--out", _folder.In("run"), .. arguments]);
    }

    [Fact]
    public async Task Train_PortInUse_IsUserErrorThatNamesIt()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var port = ((IPEndPoint)listener.LocalEndpoint).Port;
        Cli.AssertUserError(await Cli.RunAsync("train", "--recipe", "demo", "--out", _folder.In("run"), "--web-port", $"{port}"), $"--web-port {port} is in use");
    }

    [Fact]
    public async Task Train_CtrlC_SaysHowToResumeAndExitsWith130()
    {
        _folder.Write("my text/a.txt", "Some text.");
        var cli = new Cli();
        cli.Host.Script = async (_, cancellation) =>
        {
            cli.Interrupts.Press();
            await Task.Delay(Timeout.Infinite, cancellation);
        };
        var result = await cli.ThenAsync("train", "--recipe", "demo", "--corpus", _folder.In("my text"), "--out", _folder.In("run"));
        Assert.Equal(130, result.Code);
        Assert.Equal($"stopping after this step; the run can be resumed with: cluster train --recipe demo --corpus '{_folder.In("my text")}' --out {_folder.In("run")} --resume\n", result.Output);
        Assert.Equal("", result.Error);
        Assert.Empty(cli.Exits);
        cli.Interrupts.Press();
        Assert.Equal([130], cli.Exits);
    }
}
