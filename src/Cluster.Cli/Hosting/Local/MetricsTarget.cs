using Cluster.Web;

namespace Cluster.Cli.Hosting.Local;

/// <summary>A process that Prometheus asks for its metrics, as its file-based discovery reads it.</summary>
/// <param name="Targets">HOST:PORT.</param>
/// <param name="Labels">Go to every series of it.</param>
public sealed record MetricsTarget(IReadOnlyList<string> Targets, IReadOnlyDictionary<string, string> Labels)
{
    /// <summary>The processes of a cluster.</summary>
    /// <param name="state">The cluster.</param>
    /// <param name="dead">Silos that died: they are still asked, so that somebody sees that they do not answer, unless
    /// another has taken the port. One that left is not.</param>
    public static IReadOnlyList<MetricsTarget> Of(ClusterState state, IEnumerable<LocalProcess> dead) =>
    [
        .. state.Silos.Concat(dead).Where(silo => silo.Http is not null).DistinctBy(silo => silo.Http).Select(silo => At(silo.Http!, silo.Name)),
        .. (state.Web is { } web ? (MetricsTarget[])[At(web, WebProcess.Name)] : []),
    ];

    private static MetricsTarget At(string http, string process) =>
        new([new Uri(http).Authority], new Dictionary<string, string>(StringComparer.Ordinal) { ["process"] = process });
}
