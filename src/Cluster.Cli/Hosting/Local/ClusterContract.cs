using System.Globalization;
using Cluster.ServiceDefaults;

namespace Cluster.Cli.Hosting.Local;

/// <summary>
/// The configuration that tells a process which cluster it belongs to: the variables that Aspire and Kubernetes set, for processes of
/// this machine.
/// </summary>
internal static class ClusterContract
{
    private const string ServiceKey = "redis", Loopback = "127.0.0.1";

    /// <summary>Of a client.</summary>
    public static Dictionary<string, string?> Client(ClusterState state) => new(StringComparer.Ordinal)
    {
        ["Orleans:ClusterId"] = state.ClusterId,
        ["Orleans:ServiceId"] = state.ServiceId,
        [StoreConnections.ClusteringType] = StoreConnections.Redis,
        [StoreConnections.ClusteringKey] = ServiceKey,
        [$"ConnectionStrings:{ServiceKey}"] = state.Store,
        // A request's trace goes on in the silos that answer it.
        ["Orleans:EnableDistributedTracing"] = "true",
    };

    /// <summary>Of the web process.</summary>
    /// <param name="state">The cluster.</param>
    /// <param name="port">The port that it must have; null lets it take one.</param>
    public static Dictionary<string, string?> Web(ClusterState state, int? port)
    {
        var contract = Process(state);
        if (port is { } asked)
            contract["Cluster:WebPort"] = Text(asked);
        return contract;
    }

    /// <summary>Of a silo.</summary>
    public static Dictionary<string, string?> Silo(ClusterState state, string name, int siloPort, int gatewayPort)
    {
        var contract = Process(state);
        foreach (var provider in (string[])["GrainStorage:Default", "Reminders"])
        {
            contract[$"Orleans:{provider}:ProviderType"] = StoreConnections.Redis;
            contract[$"Orleans:{provider}:ServiceKey"] = ServiceKey;
        }

        contract["Orleans:Endpoints:AdvertisedIPAddress"] = Loopback;
        contract["Orleans:Endpoints:SiloPort"] = Text(siloPort);
        contract["Orleans:Endpoints:GatewayPort"] = Text(gatewayPort);
        contract["Cluster:SiloName"] = name;
        // One that is free: the silo holds it from the choice on, and says which.
        contract["Cluster:HttpPort"] = "0";
        contract["Cluster:RunsPath"] = state.RunsPath;
        contract["Cluster:DataPlaneAddress"] = Loopback;
        if (state.Faults is { } faults)
            contract["Cluster:Faults"] = faults;
        return contract;
    }

    /// <summary>As environment variables.</summary>
    public static Dictionary<string, string?> AsEnvironment(Dictionary<string, string?> contract) =>
        contract.ToDictionary(pair => pair.Key.Replace(":", "__", StringComparison.Ordinal), pair => pair.Value, StringComparer.Ordinal);

    private static Dictionary<string, string?> Process(ClusterState state)
    {
        var contract = Client(state);
        // A line each, beside those of other processes: the supervisor has said what the host would say of its start.
        contract["Logging:Console:FormatterName"] = "simple";
        contract["Logging:Console:FormatterOptions:SingleLine"] = "true";
        contract["Logging:Console:FormatterOptions:TimestampFormat"] = "HH:mm:ss ";
        contract["Logging:LogLevel:Microsoft.Hosting.Lifetime"] = "Warning";
        contract["Logging:LogLevel:Orleans.Runtime.Silo"] = "Error";
        // Counts the time since the machine was started as its first pause.
        contract["Logging:LogLevel:Orleans.Runtime.Watchdog"] = "Error";
        return contract;
    }

    private static string Text(int number) => number.ToString(CultureInfo.InvariantCulture);
}
