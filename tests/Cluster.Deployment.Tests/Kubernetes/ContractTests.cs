using System.Text.RegularExpressions;
using Cluster.Cli.Hosting.Local;
using Cluster.ServiceDefaults;
using k8s.Models;
using Microsoft.Extensions.Configuration;

namespace Cluster.Deployment.Tests.Kubernetes;

/// <summary>The variables that the pods set against those that the processes read.</summary>
public partial class ContractTests
{
    // Where a name of the source is decided: to be set for silos, for the web, or (an empty text) for neither, as is or below it.
    private static readonly Dictionary<string, string> s_names = new(StringComparer.Ordinal)
    {
        ["SiloName"] = "silo",
        ["DataPlaneAddress"] = "silo",
        ["Roles"] = "silo",
        ["RunsPath"] = "silo",
        ["Gpu"] = "silo",
        ["HttpPort"] = "silo",
        ["HttpAddress"] = "silo",
        ["WebPort"] = "web",
        ["WebAddress"] = "web",
        ["ApiKeys"] = "web",
        // Of a cluster without a store.
        ["PrimarySiloPort"] = "",
        ["PrimaryGatewayPort"] = "",
        // For tests only.
        ["Faults"] = "",
        // Their defaults serve; an overlay sets others.
        ["Api"] = "",
        ["Inference"] = "",
        ["Tracing"] = "",
        ["Training"] = "",
        ["StorePatience"] = "",
    };

    public static TheoryData<string> Overlays => ManifestTests.Overlays;

    [Fact]
    public void Names_ThatTheSourceReads_AreDecided()
    {
        var read = Directory.GetFiles(Repository.Path("src"), "*.cs", SearchOption.AllDirectories)
            .Where(path => !path.Contains($"{Path.DirectorySeparatorChar}obj{Path.DirectorySeparatorChar}", StringComparison.Ordinal))
            .SelectMany(path => Name().Matches(File.ReadAllText(path)).Select(match => match.Groups[1].Value)).ToHashSet(StringComparer.Ordinal);

        Assert.Contains("SiloName", read);
        Assert.Empty(read.Except(s_names.Keys));
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Pods_ClusterVariables_AreThoseAndNoOthers(string overlay)
    {
        foreach (var process in (string[])["silo", "web"])
        {
            Assert.Equal(
                s_names.Where(name => name.Value == process).Select(name => name.Key).Order(StringComparer.Ordinal),
                Variables(overlay, process).Keys.Where(key => key.StartsWith("Cluster__", StringComparison.Ordinal)).Select(key => key.Split("__")[1]).Order(StringComparer.Ordinal));
        }
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Pods_Variables_HaveAllThatAClusterOfThisMachineSets(string overlay)
    {
        var state = new ClusterState
        {
            ClusterId = "a",
            ServiceId = "a",
            Store = "redis:6379",
            RunsPath = "/runs",
            Control = "",
            Supervisor = ProcessIdentity.OfThis(),
        };

        // How lines are written is the overlay's to say.
        Assert.Empty(Wanted(ClusterContract.Silo(state, "silo-0", 11_111, 30_000)).Except(Variables(overlay, "silo").Keys));
        Assert.Empty(Wanted(ClusterContract.Web(state, 8080)).Except(Variables(overlay, "web").Keys));

        static IEnumerable<string> Wanted(Dictionary<string, string?> contract) =>
            ClusterContract.AsEnvironment(contract).Keys.Where(key => !key.StartsWith("Logging__", StringComparison.Ordinal));
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Pods_Store_IsNamedAsTheProcessesReadIt(string overlay)
    {
        foreach (var (process, providers) in ((string, string[])[])[("silo", ["Clustering", "GrainStorage:Default", "Reminders"]), ("web", ["Clustering"])])
        {
            var configuration = new ConfigurationBuilder().AddInMemoryCollection(
                Variables(overlay, process).Select(pair => new KeyValuePair<string, string?>(pair.Key.Replace("__", ":", StringComparison.Ordinal), pair.Value))).Build();

            Assert.True(StoreConnections.HasStore(configuration));
            // A client ends where it is told of a provider that it has no package of.
            Assert.Equal(providers.Length, Variables(overlay, process).Keys.Count(key => key.EndsWith("__ProviderType", StringComparison.Ordinal)));
            foreach (var provider in providers)
                Assert.Equal(("Redis", "redis"), (configuration[$"Orleans:{provider}:ProviderType"], configuration[$"Orleans:{provider}:ServiceKey"]));
            Assert.Equal("secret redis/connection-string", configuration.GetConnectionString("redis"));
        }
    }

    [KubectlTheory]
    [MemberData(nameof(Overlays))]
    public void Silos_AddressesAndPorts_AreTheirPods(string overlay)
    {
        var variables = Variables(overlay, "silo");
        var container = Container(overlay, "silo");

        Assert.Equal("field metadata.name", variables["Cluster__SiloName"]);
        Assert.Equal("field status.podIP", variables["Orleans__Endpoints__AdvertisedIPAddress"]);
        Assert.Equal("field status.podIP", variables["Cluster__DataPlaneAddress"]);
        Assert.Equal(variables["Orleans__Endpoints__SiloPort"], Port(container, "silo"));
        Assert.Equal(variables["Orleans__Endpoints__GatewayPort"], Port(container, "gateway"));
        Assert.Equal(variables["Cluster__HttpPort"], Port(container, "http"));
        Assert.Contains(container.VolumeMounts, mount => mount.MountPath == variables["Cluster__RunsPath"]);
        var web = Variables(overlay, "web");
        Assert.Equal(web["Cluster__WebPort"], Port(Container(overlay, "web"), "http"));
        Assert.Equal(("0.0.0.0", "0.0.0.0"), (web["Cluster__WebAddress"], variables["Cluster__HttpAddress"]));
    }

    private static string Port(V1Container container, string name) => $"{Assert.Single(container.Ports, port => port.Name == name).ContainerPort}";

    private static V1Container Container(string overlay, string process) =>
        Assert.Single(Assert.Single(Manifests.Of(overlay).Workloads, workload => workload.Name == process).Pod.Containers);

    private static Dictionary<string, string> Variables(string overlay, string process)
    {
        var container = Container(overlay, process);
        var variables = new Dictionary<string, string>(StringComparer.Ordinal);
        foreach (var from in container.EnvFrom)
        {
            if (from.ConfigMapRef is { } map)
            {
                foreach (var (key, value) in Manifests.Of(overlay).One<V1ConfigMap>(map.Name).Data)
                    variables[from.Prefix + key] = value;
            }
            else
            {
                variables[$"{from.Prefix}0"] = $"secret {from.SecretRef.Name}/0";
            }
        }

        foreach (var variable in container.Env)
        {
            variables[variable.Name] = variable.Value
                ?? (variable.ValueFrom.FieldRef is { } field ? $"field {field.FieldPath}" : $"secret {variable.ValueFrom.SecretKeyRef.Name}/{variable.ValueFrom.SecretKeyRef.Key}");
        }

        return variables;
    }

    [GeneratedRegex("\"Cluster:([A-Z][A-Za-z]+)")]
    private static partial Regex Name();
}
