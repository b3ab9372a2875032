using Cluster.ServiceDefaults;

namespace Cluster.Cli.Hosting.Local;

/// <summary>What a client has to know of a cluster: one that <c>up</c> runs on this machine, or one that the environment names.</summary>
/// <param name="Configuration">The client's configuration.</param>
/// <param name="Name">What to call it in a sentence, as "the cluster in runs".</param>
/// <param name="Remedy">What to do when it does not answer.</param>
public sealed record ClusterAddress(IReadOnlyDictionary<string, string?> Configuration, string Name, string Remedy)
{
    /// <summary>Where the page is, if that is known.</summary>
    public string? Web { get; private init; }

    /// <summary>Threads of a replica that whoever runs the cluster asked for, or null for the recipe's.</summary>
    public int? ThreadsPerReplica { get; private init; }

    /// <summary>The cluster of a state.</summary>
    public static ClusterAddress Of(ClusterState state) => new(
        ClusterContract.Client(state), $"the cluster in {state.RunsPath}", "Look at `cluster silo list` and add one with `cluster silo add`.")
    {
        Web = state.Web,
        ThreadsPerReplica = state.ThreadsPerReplica,
    };

    /// <summary>
    /// The cluster that the environment names by the variables that Aspire and Kubernetes set, as in a silo's container; without them
    /// the one that runs in a folder of runs.
    /// </summary>
    /// <exception cref="Core.Errors.UserErrorException">None runs there.</exception>
    public static ClusterAddress Find(string runs, CliEnvironment environment)
    {
        var configuration = new Dictionary<string, string?>(StringComparer.Ordinal);
        foreach (var key in (string[])["Orleans:ClusterId", "Orleans:ServiceId", StoreConnections.ClusteringType, StoreConnections.ClusteringKey])
            configuration[key] = Variable(key);
        if (configuration[StoreConnections.ClusteringType] is not { Length: > 0 })
            return Of(new ClusterFolder(runs).Running(environment.Command));
        var store = $"ConnectionStrings:{configuration[StoreConnections.ClusteringKey]}";
        configuration[store] = Variable(store);
        return new(configuration, $"the cluster {configuration["Orleans:ClusterId"]} of this environment", "Start one, or wait until it has joined.");

        string? Variable(string key) => environment.Variable(key.Replace(":", "__", StringComparison.Ordinal));
    }
}
