using System.Text.Json;

namespace Cluster.Cli.Tests.Verbs;

public sealed class RunsVerbTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Runs_NoFolder_SaysHowToStartOne()
    {
        var result = await Cli.RunAsync("runs", "--root", _folder.In("runs"));
        Assert.Equal((0, $"There are no runs in {_folder.In("runs")}. Start one: cluster demo\n"), (result.Code, result.Output));
    }

    [Fact]
    public async Task Runs_OfEveryState_AreListed()
    {
        TestRuns.Write(_folder.In("b-finished"), finished: true);
        TestRuns.Write(_folder.In("a-stopped"), finished: false);
        var running = TestRuns.Write(_folder.In("c-running"), finished: false);
        using var held = new FileStream(running.Lock, FileMode.Create, FileAccess.Write, FileShare.None);
        File.WriteAllText(TestRuns.Write(_folder.In("d-damaged"), finished: true).Summary, "{ \"run\": ");
        _folder.Write("no-run/readme.txt", "x");

        var result = await Cli.RunAsync("runs", "--root", _folder.Path, "--json");

        using var json = JsonDocument.Parse(result.Output);
        var runs = json.RootElement.GetProperty("runs");
        Assert.Equal(["a-stopped stopped", "b-finished finished", "c-running running", "d-damaged damaged"],
            runs.EnumerateArray().Select(run => $"{run.GetProperty("name").GetString()} {run.GetProperty("state").GetString()}"));
        Assert.Equal((340, 3.5, 3.25), (runs[0].GetProperty("steps").GetInt64(), runs[0].GetProperty("train_loss").GetDouble(), runs[0].GetProperty("validation_loss").GetDouble()));
        Assert.Equal((1_100, 1.125), (runs[1].GetProperty("steps").GetInt64(), runs[1].GetProperty("validation_bits_per_byte").GetDouble()));
        Assert.Contains("cannot be read", runs[3].GetProperty("problem").GetString(), StringComparison.Ordinal);
        var table = await Cli.RunAsync("runs", "--root", _folder.Path);
        Assert.Contains("1,100", table.Output, StringComparison.Ordinal);
        Assert.Equal(5, table.Output.Count(c => c == '\n'));
    }
}
