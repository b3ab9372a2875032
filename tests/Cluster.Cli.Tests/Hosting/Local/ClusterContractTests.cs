using Cluster.Cli.Hosting.Local;

namespace Cluster.Cli.Tests.Hosting.Local;

/// <summary>The names are those that Aspire sets: a process started by either must find the same cluster.</summary>
public class ClusterContractTests
{
    private static readonly ClusterState s_state = new()
    {
        ClusterId = "c",
        ServiceId = "s",
        Store = "127.0.0.1:6379",
        RunsPath = "/runs",
        Web = "http://127.0.0.1:8080/",
        Control = "/control",
        Supervisor = new ProcessIdentity(1, "1"),
        ThreadsPerReplica = 2,
    };

    [Fact]
    public void Silo_AsEnvironment_IsAspiresContract()
    {
        var environment = ClusterContract.AsEnvironment(ClusterContract.Silo(s_state, "silo-3", 1_001, 1_002));

        var expected = new Dictionary<string, string?>
        {
            ["Orleans__ClusterId"] = "c",
            ["Orleans__ServiceId"] = "s",
            ["Orleans__Clustering__ProviderType"] = "Redis",
            ["Orleans__Clustering__ServiceKey"] = "redis",
            ["Orleans__GrainStorage__Default__ProviderType"] = "Redis",
            ["Orleans__GrainStorage__Default__ServiceKey"] = "redis",
            ["Orleans__Reminders__ProviderType"] = "Redis",
            ["Orleans__Reminders__ServiceKey"] = "redis",
            ["Orleans__Endpoints__AdvertisedIPAddress"] = "127.0.0.1",
            ["Orleans__Endpoints__SiloPort"] = "1001",
            ["Orleans__Endpoints__GatewayPort"] = "1002",
            ["ConnectionStrings__redis"] = "127.0.0.1:6379",
            ["Orleans__EnableDistributedTracing"] = "true",
            ["Cluster__SiloName"] = "silo-3",
            ["Cluster__HttpPort"] = "0",
            ["Cluster__RunsPath"] = "/runs",
            ["Cluster__DataPlaneAddress"] = "127.0.0.1",
        };
        Assert.Equal(
            expected.OrderBy(pair => pair.Key, StringComparer.Ordinal),
            environment.Where(pair => !pair.Key.StartsWith("Logging__", StringComparison.Ordinal)).OrderBy(pair => pair.Key, StringComparer.Ordinal));
    }

    [Fact]
    public void Web_AsEnvironment_NamesNoProviderThatAClientHasNot()
    {
        var environment = ClusterContract.AsEnvironment(ClusterContract.Web(s_state, 8_080));

        Assert.Equal("8080", environment["Cluster__WebPort"]);
        Assert.DoesNotContain(environment.Keys, key => key.Contains("GrainStorage", StringComparison.Ordinal) || key.Contains("Reminders", StringComparison.Ordinal));
    }
}
