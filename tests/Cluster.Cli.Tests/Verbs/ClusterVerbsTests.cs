using Cluster.Cli.Hosting.Local;

namespace Cluster.Cli.Tests.Verbs;

/// <summary>Mistakes with a cluster; what goes well is tested with processes, in Cluster.EndToEnd.Tests.</summary>
public sealed class ClusterVerbsTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData("status")]
    [InlineData("silo", "add")]
    [InlineData("silo", "list")]
    [InlineData("silo", "kill", "1")]
    [InlineData("silo", "drain", "1")]
    [InlineData("silo", "roll")]
    [InlineData("silo", "fault", "1")]
    [InlineData("chaos", "--mtbf", "5")]
    public async Task Verb_NoCluster_SaysHowToStartOne(params string[] verb)
    {
        var result = await Cli.RunAsync([.. verb, "--runs", _folder.Path]);

        Cli.AssertUserError(result, $"No cluster runs in {_folder.Path}.", "cluster up --silos 2");
    }

    [Theory]
    [InlineData("--mtbf is 0.5.", "chaos", "--mtbf", "0.5")]
    [InlineData("--keep is 0.", "chaos", "--mtbf", "5", "--keep", "0")]
    [InlineData("--for is 0.", "chaos", "--mtbf", "5", "--for", "0")]
    [InlineData("--step is -1.", "silo", "fault", "1", "--step", "-1")]
    [InlineData("--seconds is -2.", "silo", "fault", "1", "--seconds", "-2")]
    public async Task Verb_ValueOutOfRange_IsRefusedByName(string what, params string[] verb) =>
        Cli.AssertUserError(await Cli.RunAsync([.. verb, "--runs", _folder.Path]), what);

    [Fact]
    public async Task SiloFault_ClusterWithoutFaults_SaysHowToStartOneWith()
    {
        Write(ProcessIdentity.OfThis(), Silo("silo-1", ProcessIdentity.OfThis()));

        Cli.AssertUserError(await Cli.RunAsync("silo", "fault", "1", "--runs", _folder.Path), "This cluster takes no faults.", "cluster up --faults");
    }

    [Theory]
    [InlineData("status")]
    [InlineData("silo", "kill", "silo-1")]
    public async Task Verb_SupervisorIsGone_SaysSo(params string[] verb)
    {
        // This process's number, but begun at another time: nothing of it may be touched.
        Write(new ProcessIdentity(Environment.ProcessId, "1"));

        var result = await Cli.RunAsync([.. verb, "--runs", _folder.Path]);

        Cli.AssertUserError(result, $"The cluster in {_folder.Path} runs no more: its process {Environment.ProcessId} is gone.");
    }

    [Theory]
    [InlineData("silo-7")]
    [InlineData("2")]
    [InlineData("silo-1")]
    public async Task SiloKill_NotOneThatRuns_IsRefusedByName(string id)
    {
        // silo-1's number is this process's now; silo-3 is this process.
        Write(ProcessIdentity.OfThis(), Silo("silo-1", new ProcessIdentity(Environment.ProcessId, "1")), Silo("silo-3", ProcessIdentity.OfThis()));

        var result = await Cli.RunAsync("silo", "kill", id, "--runs", _folder.Path);

        Cli.AssertUserError(result, $"No silo \"{id}\" runs. Give one of silo-3.");
    }

    [Theory]
    [InlineData("--silos", "0", "64")]
    [InlineData("--silos", "65", "64")]
    [InlineData("--threads-per-replica", "0", "256")]
    [InlineData("--web-port", "70000", "65,535")]
    public async Task Up_NumberOutOfRange_NamesOptionValueAndRange(string option, string value, string highest)
    {
        var result = await Cli.RunAsync("up", option, value, "--runs", _folder.Path);

        Cli.AssertUserError(result, $"{option} is {value}.", "from 1 to " + highest);
        Assert.False(Directory.Exists(Path.Combine(_folder.Path, ".cluster")));
    }

    [Fact]
    public async Task Up_RedisIsNoAddress_NamesTheOption()
    {
        var result = await Cli.RunAsync("up", "--redis", "", "--runs", _folder.Path);

        Cli.AssertUserError(result, "--redis is no address of a store.");
    }

    [Fact]
    public async Task Silo_UnknownWord_IsNoSilo()
    {
        Cli.AssertUserError(await Cli.RunAsync("silo", "lst"), "silo has no command \"lst\".", "add, kill, drain, roll, list or fault");
    }

    [Fact]
    public async Task Status_StateDamaged_NamesTheFile()
    {
        _folder.Write(".cluster/state.json", "{");

        Cli.AssertUserError(await Cli.RunAsync("status", "--runs", _folder.Path), "state.json");
    }

    private static LocalProcess Silo(string name, ProcessIdentity process) => new()
    {
        Name = name,
        Process = process,
        Port = 1,
        GatewayPort = 2,
        Started = DateTimeOffset.UnixEpoch,
        Log = "/none",
    };

    private void Write(ProcessIdentity supervisor, params LocalProcess[] silos)
    {
        var folder = new ClusterFolder(_folder.Path);
        folder.Create();
        folder.Write(new ClusterState
        {
            ClusterId = "c",
            ServiceId = "s",
            Store = "127.0.0.1:1",
            RunsPath = _folder.Path,
            Web = "http://127.0.0.1:1/",
            Control = folder.Path + "/control",
            Supervisor = supervisor,
            Silos = silos,
        });
    }
}
