using System.Net;
using System.Net.Sockets;
using Cluster.Cli.Hosting.Local;
using Cluster.ServiceDefaults;

namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>Processes that cannot do their work: each says why and what to do, and ends with a code of its own.</summary>
[Collection(ProcessCollection.Hosting)]
public sealed class BadInputTests : IDisposable
{
    // Of one attempt; the defaults are five seconds.
    private const string Impatient = ",connectTimeout=100,asyncTimeout=200,syncTimeout=200";
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(60);
    private readonly string _folder = Directory.CreateTempSubdirectory("cluster-bad-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData("silo", "ConnectionStrings__redis", "", "ConnectionStrings:redis is missing, which Orleans:…:ServiceKey names. Give the store's HOST:PORT there.")]
    [InlineData("web", "ConnectionStrings__redis", "", "ConnectionStrings:redis is missing, which Orleans:…:ServiceKey names. Give the store's HOST:PORT there.")]
    [InlineData("silo", "Orleans__ClusterId", "", "Orleans:ClusterId is missing, though the membership is kept in a store. Give the cluster's: all its silos and clients have the same.")]
    [InlineData("web", "Orleans__ClusterId", "", "Orleans:ClusterId is missing, though the membership is kept in a store. Give the cluster's: all its silos and clients have the same.")]
    [InlineData("silo", "Cluster__StorePatience", "soon", "Cluster:StorePatience is \"soon\". Give seconds from 0 to 86400.")]
    [InlineData("silo", "Cluster__Training__BalanceLanes", "sometimes", "Cluster:Training:BalanceLanes is \"sometimes\". Give true or false.")]
    [InlineData("silo", "Cluster__Tracing__StepsPerTrace", "0", "Cluster:Tracing:StepsPerTrace is \"0\". Give a number of steps from 1 to 1000000.")]
    [InlineData("silo", "Cluster__Gpu", "yes", "Cluster:Gpu is \"yes\". Give required or optional.")]
    public async Task Process_ValueMissingOrOfNoUse_NamesIt(string process, string key, string value, string expected)
    {
        var variables = Variables("127.0.0.1:1");
        variables[key] = value;

        Assert.Equal((ExitCodes.Mistake, expected), await RunAsync(process, variables));
    }

    [NoGpuFact]
    public async Task Silo_GpuAskedForWhereThereIsNone_SaysSo()
    {
        var variables = Variables("127.0.0.1:1");
        variables["Cluster__Gpu"] = "required";

        var (code, text) = await RunAsync("silo", variables);

        Assert.Equal(ExitCodes.Mistake, code);
        Assert.StartsWith("Cluster:Gpu is \"required\", and NVIDIA's driver is not here or does not answer. Start the silo where there is one", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silo_PortOccupied_NamesBothAndEndsWithACodeOfItsOwn()
    {
        using var other = new TcpListener(IPAddress.Loopback, Ports.Free());
        other.Start();
        var (occupied, free) = (((IPEndPoint)other.LocalEndpoint).Port, Ports.Free());

        var (code, text) = await RunAsync("silo", new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["Orleans__Endpoints__SiloPort"] = $"{occupied}",
            ["Orleans__Endpoints__GatewayPort"] = $"{free}",
        });

        Assert.Equal(ExitCodes.PortOccupied, code);
        Assert.Contains(
            $"Port {occupied} or {free} is occupied by another process. Give others as Orleans:Endpoints:SiloPort and Orleans:Endpoints:GatewayPort.", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Up_ASilosPortIsTakenMeanwhile_StartedWithAnotherAndReplacedLater()
    {
        using var other = new TcpListener(IPAddress.Loopback, Ports.Free());
        other.Start();
        var taken = ((IPEndPoint)other.LocalEndpoint).Port;
        var (given, said) = (0, new List<string>());

        await using var cluster = await LocalCluster.StartAsync(
            new LocalClusterOptions { Runs = _folder, Silos = 1, ChoosePort = () => given++ == 0 ? taken : Ports.Free() },
            (name, line) =>
            {
                lock (said)
                    said.Add($"{name}: {line}");
            },
            CancellationToken.None);

        Assert.NotEqual(taken, Assert.Single(cluster.State.Silos).Port);
        Assert.Contains("cluster: silo-1 lost one of its ports to another process; it is started with others", said);

        // One silo alone is replaced the other way round.
        var replaced = await new RollingRestart(new ClusterFolder(_folder), "cluster", _ => { }).RunAsync(CancellationToken.None);
        Assert.Equal([new SiloReplacement("silo-1", "silo-2")], replaced);
        Assert.Equal("silo-2", Assert.Single(cluster.State.Silos, silo => silo.Process.IsAlive()).Name);
    }

    [Theory]
    [InlineData("silo")]
    [InlineData("web")]
    public async Task Process_NoStoreAnswers_AsksAgainLessAndLessOftenThenGivesUp(string process)
    {
        var store = $"127.0.0.1:{Ports.Free()}";
        var variables = Variables(store + Impatient);
        variables["Cluster__StorePatience"] = "4";

        var (code, text) = await RunAsync(process, variables);

        Assert.Equal(ExitCodes.StoreUnreachable, code);
        var asked = text.Split('\n').Where(line => line.Contains("Asking again in", StringComparison.Ordinal)).ToList();
        Assert.True(asked.Count >= 2, text);
        Assert.StartsWith($"The store at {store} (ConnectionStrings:redis) does not answer. Asking again in 0.5 s, for ", asked[0], StringComparison.Ordinal);
        Assert.Contains(
            $"The store at {store} (ConnectionStrings:redis) does not answer, and did not for 4 s. Start it there, or give the address of a Redis or Valkey that runs.", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Silo_StoreComesLater_WaitsForIt()
    {
        var port = Ports.Free();
        await using var silo = LineProcess.Cluster(Variables($"127.0.0.1:{port}{Impatient}"), "silo");
        await silo.WaitForAsync("Asking again in");

        await using var store = LineProcess.Cluster("store", "--port", $"{port}", "--data", _folder);
        await silo.WaitForAsync("silo-0 is up at");

        Assert.Equal(0, await silo.EndAsync());
    }

    [Fact]
    public async Task Client_WrongClusterId_IsToldWhichThereAre()
    {
        var port = Ports.Free();
        await using var store = LineProcess.Cluster("store", "--port", $"{port}", "--data", _folder);
        await store.WaitForAsync("store is up at");
        var right = Variables($"127.0.0.1:{port}");
        await using var silo = LineProcess.Cluster(right, "silo");
        await silo.WaitForAsync("silo-0 is up at");
        var wrong = new Dictionary<string, string?>(right, StringComparer.Ordinal) { ["Orleans__ClusterId"] = "wrong" };

        await using var web = LineProcess.Cluster(Client(wrong), "web");
        await web.WaitForAsync("The store knows no cluster wrong, but right. Waiting for a silo of it; look at Orleans:ClusterId if none is to come.");
        await using var verb = LineProcess.Cluster(Client(wrong), "pause", "nothing");
        Assert.Equal(1, await verb.Exited.WaitAsync(s_limit));
        Assert.Contains("No silo of the cluster wrong of this environment answers. The store knows right: look at Orleans:ClusterId.", await verb.RestAsync(), StringComparison.Ordinal);

        var ends = await Task.WhenAll(web.EndAsync(), silo.EndAsync());
        Assert.Equal([0, 0], ends);
    }

    private static Dictionary<string, string?> Variables(string store) => new(StringComparer.Ordinal)
    {
        ["Orleans__ClusterId"] = "right",
        ["Orleans__ServiceId"] = "right",
        ["Orleans__Clustering__ProviderType"] = "Redis",
        ["Orleans__Clustering__ServiceKey"] = "redis",
        ["Orleans__GrainStorage__Default__ProviderType"] = "Redis",
        ["Orleans__GrainStorage__Default__ServiceKey"] = "redis",
        ["Orleans__Reminders__ProviderType"] = "Redis",
        ["Orleans__Reminders__ServiceKey"] = "redis",
        ["Orleans__Endpoints__AdvertisedIPAddress"] = "127.0.0.1",
        ["Orleans__Endpoints__SiloPort"] = $"{Ports.Free()}",
        ["Orleans__Endpoints__GatewayPort"] = $"{Ports.Free()}",
        ["ConnectionStrings__redis"] = store,
        ["Cluster__SiloName"] = "silo-0",
        ["Cluster__WebPort"] = $"{Ports.Free()}",
    };

    private static async Task<(int Code, string Text)> RunAsync(string process, Dictionary<string, string?> variables)
    {
        await using var running = LineProcess.Cluster(process == "web" ? Client(variables) : variables, process);
        var code = await running.Exited.WaitAsync(s_limit);
        return (code, await running.RestAsync());
    }

    /// <summary>A client ends where it is told of a provider that it has no package of.</summary>
    private static Dictionary<string, string?> Client(Dictionary<string, string?> silo) => new(silo.Where(variable =>
        !variable.Key.StartsWith("Orleans__GrainStorage", StringComparison.Ordinal) && !variable.Key.StartsWith("Orleans__Reminders", StringComparison.Ordinal)), StringComparer.Ordinal);
}
