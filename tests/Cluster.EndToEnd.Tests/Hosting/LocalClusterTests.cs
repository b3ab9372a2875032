using System.Globalization;
using System.Net.Sockets;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Training;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.ServiceDefaults;
using Orleans;
using Orleans.Runtime;

namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>The cluster that <c>up</c> runs, as processes, from its start to the last process's end.</summary>
[Collection(ProcessCollection.Hosting)]
public sealed class LocalClusterTests : IDisposable
{
    private const string Up = "Ctrl-C ends it";
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);
    private readonly string _runs = Directory.CreateTempSubdirectory("cluster-up-").FullName;

    private ClusterState State => new ClusterFolder(_runs).Running("cluster");

    public void Dispose() => Directory.Delete(_runs, recursive: true);

    [Fact]
    public async Task Up_SiloKilledAddedDrained_OthersGoOnAndNothingIsLeft()
    {
        await using var up = LineProcess.Cluster("up", "--silos", "2", "--faults", "--runs", _runs);
        await up.WaitForAsync(Up);
        var all = Processes(State);
        Assert.Equal(["silo-1", "silo-2", "store", "web"], State.Silos.Concat(State.Others).Select(process => process.Name).Order(StringComparer.Ordinal));

        await using (var connection = await ClusterConnection.OpenAsync(State))
        {
            Assert.Equal(["silo-1 Active", "silo-2 Active"], await MembersAsync(connection));
            var schedule = connection.Grains.GetGrain<IScheduleGrain>("run/pretraining");
            await schedule.OpenAsync(Job(steps: 40));

            // The silo that has the grain, so that the record has to come from the store.
            var host = await Management(connection).GetActivationAddress(schedule);
            var victim = State.Silos.Single(silo => silo.Port == host!.Endpoint.Port);
            var (code, text) = await LineProcess.RunAsync("silo", "kill", victim.Name, "--runs", _runs);
            Assert.True(code == 0, text);
            Assert.False(victim.Process.IsAlive());
            await up.WaitForAsync($"{victim.Name} was killed (signal 9); 1 silo is left");
            await UntilAsync(async () => (await MembersAsync(connection)).Contains($"{victim.Name} Dead"));
            await UntilAsync(async () => (await schedule.GetHaltAsync(39, 40)).Steps == 40);
        }

        var (added, words) = await LineProcess.RunAsync("silo", "add", "--runs", _runs);
        Assert.True(added == 0, words);
        all.UnionWith(Processes(State));
        var rest = Assert.Single(State.Silos, silo => silo.Name != "silo-3").Name;
        await using (var connection = await ClusterConnection.OpenAsync(State))
            Assert.Equal([$"{rest} Active", "silo-3 Active"], (await MembersAsync(connection)).Where(member => member.EndsWith("Active", StringComparison.Ordinal)));

        var (armed, fault) = await LineProcess.RunAsync("silo", "fault", "silo-3", "--kind", "corrupt-frame", "--phase", "gather", "--step", "7", "--runs", _runs);
        Assert.Equal((0, "silo-3: corrupt-frame in gather, from step 7 on."), (armed, fault));

        var (drained, left) = await LineProcess.RunAsync("silo", "drain", rest, "--runs", _runs);
        Assert.True(drained == 0, left);
        await up.WaitForAsync($"{rest} has left; 1 silo is left");
        var (listed, list) = await LineProcess.RunAsync("silo", "list", "--json", "--runs", _runs);
        Assert.True(listed == 0, list);
        var silo3 = Assert.Single(RunJson.Parse<List<SiloStatusEntry>>(list, "silo list"));
        Assert.Equal(("silo-3", "Active"), (silo3.Name, silo3.Membership));
        var (refused, why) = await LineProcess.RunAsync("silo", "kill", rest, "--runs", _runs);
        Assert.Equal((1, $"No silo \"{rest}\" runs. Give one of silo-3."), (refused, why));

        Terminate(up.Pid);
        Assert.Equal(0, await up.Exited.WaitAsync(s_limit));
        Assert.Equal(5, all.Count);
        Assert.DoesNotContain(all, process => process.IsAlive());
        Assert.False(File.Exists(Path.Combine(_runs, ".cluster", "state.json")));
    }

    [Fact]
    public async Task Up_SupervisorKilled_ChildrenEndAndTheFolderCanBeUsedAgain()
    {
        var up = LineProcess.Cluster("up", "--silos", "1", "--runs", _runs);
        await up.WaitForAsync(Up);
        var all = Processes(State);

        var (second, why) = await LineProcess.RunAsync("up", "--runs", _runs);
        Assert.Equal((1, $"A cluster runs in {_runs} already (process {up.Pid}, {State.Web}). End it first, or give another folder as --runs."), (second, why));
        Assert.All(all, process => Assert.True(process.IsAlive()));

        up.Kill();
        foreach (var process in all)
            await process.WaitForEndAsync(new CancellationTokenSource(s_limit).Token);
        await up.DisposeAsync();

        var (code, status) = await LineProcess.RunAsync("status", "--runs", _runs);
        Assert.Equal(1, code);
        Assert.StartsWith($"The cluster in {_runs} runs no more: its process {up.Pid} is gone.", status, StringComparison.Ordinal);

        await using var again = LineProcess.Cluster("up", "--silos", "1", "--restart", "--runs", _runs);
        await again.WaitForAsync(Up);
        var silo = Assert.Single(State.Silos);
        var (killed, text) = await LineProcess.RunAsync("silo", "kill", "1", "--runs", _runs);
        Assert.True(killed == 0, text);
        await again.WaitForAsync("silo-1 is up");
        Assert.NotEqual(silo.Process, Assert.Single(State.Silos).Process);
        var last = Processes(State);
        Terminate(again.Pid);
        Assert.Equal(0, await again.Exited.WaitAsync(s_limit));
        Assert.DoesNotContain(last, process => process.IsAlive());
    }

    [Fact]
    public async Task Up_StoreKilled_StartedAgainWithItsRecords()
    {
        await using var up = LineProcess.Cluster("up", "--silos", "1", "--runs", _runs);
        await up.WaitForAsync(Up);
        await using var connection = await ClusterConnection.OpenAsync(State);
        await connection.Grains.GetGrain<IScheduleGrain>("a").OpenAsync(Job(steps: 40));
        var store = State.Others.Single(process => process.Name == "store");

        Kill(store.Process.Pid);
        await up.WaitForAsync("store was killed (signal 9); it is started again");
        await up.WaitForAsync("store is up");

        // A write needs the store, and the record that the silo knows to be there.
        await UntilAsync(async () =>
        {
            await connection.Grains.GetGrain<IScheduleGrain>("a").OpenAsync(Job(steps: 30));
            return true;
        });
        Assert.Equal(30, (await connection.Grains.GetGrain<IScheduleGrain>("a").GetHaltAsync(29, 30)).Steps);
        Assert.True(State.Silos.Single().Process.IsAlive());
        Terminate(up.Pid);
        Assert.Equal(0, await up.Exited.WaitAsync(s_limit));
    }

    [RedisFact]
    public async Task Up_OnARedis_NoStoreOfItsOwnAndNoKeysLeft()
    {
        await using var store = await TestStore.RedisAsync();
        await using var up = LineProcess.Cluster("up", "--silos", "1", "--redis", store.Address, "--runs", _runs);
        await up.WaitForAsync(Up);
        Assert.Equal("web", Assert.Single(State.Others).Name);
        await using var redis = await store.ConnectAsync();
        Assert.NotEmpty(redis.GetServers().Single().Keys());

        Terminate(up.Pid);
        Assert.Equal(0, await up.Exited.WaitAsync(s_limit));
        Assert.Empty(redis.GetServers().Single().Keys());
    }

    [Fact]
    public async Task Up_NoStoreAtRedisOrPortOccupied_OneParagraph()
    {
        var nowhere = string.Create(CultureInfo.InvariantCulture, $"127.0.0.1:{Ports.Free()}");
        Assert.Equal(
            (1, $"The store at {nowhere} (--redis) does not answer. Start it there, or give the address of a Redis or Valkey that runs."),
            await LineProcess.RunAsync("up", "--redis", nowhere, "--runs", _runs));
        using var other = new TcpListener(System.Net.IPAddress.Loopback, 0);
        other.Start();
        var port = ((System.Net.IPEndPoint)other.LocalEndpoint).Port;
        Assert.Equal(
            (1, $"--web-port {port} is in use. Give another port, or leave the option out to take a free one."),
            await LineProcess.RunAsync("up", "--web-port", $"{port}", "--runs", _runs));
        Assert.Equal(
            (1, $"Port {port} is occupied by another process. Give the store another one."),
            await LineProcess.RunAsync("store", "--port", $"{port}", "--data", Path.Combine(_runs, "data")));
    }

    private static HashSet<ProcessIdentity> Processes(ClusterState state) => [.. state.Silos.Concat(state.Others).Select(process => process.Process)];

    private static IManagementGrain Management(ClusterConnection connection) => connection.Grains.GetGrain<IManagementGrain>(0);

    private static async Task<IReadOnlyList<string>> MembersAsync(ClusterConnection connection) =>
        [.. (await Management(connection).GetDetailedHosts()).Select(member => $"{member.SiloName} {member.Status}").Order(StringComparer.Ordinal)];

    /// <summary>Asks until it is so: calls to a silo that has just died fail before others know of it.</summary>
    private static async Task UntilAsync(Func<Task<bool>> condition)
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (true)
        {
            try
            {
                if (await condition().WaitAsync(limit.Token))
                    return;
            }
            catch (Exception error) when (!limit.IsCancellationRequested && error is OrleansException or TimeoutException or StackExchange.Redis.RedisException)
            {
                // Not yet.
            }

            await Task.Yield();
        }
    }

    private static TrainingJob Job(int steps) => new(
        "run", StageNames.Pretraining, RecipeJson.Canonical(new Recipe { Training = new TrainingRecipe { Steps = steps } }), "/nowhere", [], 0, steps, null, []);

    private static void Terminate(int pid) => Signal("-TERM", pid);

    private static void Kill(int pid) => Signal("-KILL", pid);

    private static void Signal(string signal, int pid)
    {
        using var kill = System.Diagnostics.Process.Start("kill", [signal, $"{pid}"]);
        kill.WaitForExit();
    }
}
