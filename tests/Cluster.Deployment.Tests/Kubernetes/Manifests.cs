using System.Collections.Concurrent;
using k8s;
using k8s.Models;

namespace Cluster.Deployment.Tests.Kubernetes;

/// <summary>What an overlay renders to, in the types of the Kubernetes API.</summary>
internal sealed class Manifests
{
    private static readonly ConcurrentDictionary<string, Lazy<Manifests>> s_rendered = new(StringComparer.Ordinal);

    private Manifests(string yaml) => Objects = Load(yaml);

    public IReadOnlyList<object> Objects { get; }

    public IEnumerable<Workload> Workloads => Objects.Select(Workload.Of).OfType<Workload>();

    /// <summary>The overlay of that name.</summary>
    public static Manifests Of(string overlay) => Rendered(Repository.Path("k8s", "overlays", overlay));

    /// <summary>A folder with a kustomization.</summary>
    public static Manifests Rendered(string folder) => s_rendered.GetOrAdd(folder, _ => new(() => new Manifests(Kubectl.Render(folder)))).Value;

    /// <summary>Objects of a text; a field that the API does not know, or one that is there twice, is refused.</summary>
    public static List<object> Load(string yaml) => KubernetesYaml.LoadAllFromString(
        yaml, new Dictionary<string, Type>(StringComparer.Ordinal)
        {
            ["monitoring.coreos.com/v1/PodMonitor"] = typeof(PodMonitor),
            ["monitoring.coreos.com/v1/PrometheusRule"] = typeof(PrometheusRule),
            ["keda.sh/v1alpha1/ScaledObject"] = typeof(ScaledObject),
        }, strict: true);

    public IEnumerable<T> All<T>() => Objects.OfType<T>();

    public T One<T>(string name) where T : IMetadata<V1ObjectMeta> => Assert.Single(All<T>(), thing => thing.Metadata.Name == name);
}

/// <summary>What runs pods.</summary>
internal sealed record Workload(string Kind, string Name, V1LabelSelector Selector, V1PodTemplateSpec Template, IList<V1PersistentVolumeClaim> Claims)
{
    public V1PodSpec Pod => Template.Spec;

    public static Workload? Of(object thing) => thing switch
    {
        V1StatefulSet set => new Workload("StatefulSet", set.Metadata.Name, set.Spec.Selector, set.Spec.Template, set.Spec.VolumeClaimTemplates ?? []),
        V1Deployment set => new Workload("Deployment", set.Metadata.Name, set.Spec.Selector, set.Spec.Template, []),
        _ => null,
    };

    /// <summary>Whether a selector means these pods.</summary>
    public bool Matches(V1LabelSelector selector) =>
        (selector.MatchLabels ?? new Dictionary<string, string>()).All(label => Label(label.Key) == label.Value)
        && (selector.MatchExpressions ?? []).All(rule => rule.OperatorProperty == "In" && rule.Values.Contains(Label(rule.Key) ?? ""));

    public bool Matches(IDictionary<string, string> labels) => Matches(new V1LabelSelector { MatchLabels = labels });

    private string? Label(string key) => Template.Metadata.Labels.TryGetValue(key, out var value) ? value : null;
}

/// <summary>The Prometheus operator's, as far as it is used here.</summary>
internal sealed class PodMonitor
{
    public string ApiVersion { get; set; } = "";

    public string Kind { get; set; } = "";

    public V1ObjectMeta Metadata { get; set; } = new();

    public PodMonitorSpec Spec { get; set; } = new();

    internal sealed class PodMonitorSpec
    {
        public V1LabelSelector Selector { get; set; } = new();

        public string JobLabel { get; set; } = "";

        public List<PodMetricsEndpoint> PodMetricsEndpoints { get; set; } = [];
    }

    internal sealed class PodMetricsEndpoint
    {
        public string Port { get; set; } = "";

        public string Path { get; set; } = "";

        public string Interval { get; set; } = "";

        public List<Relabeling> Relabelings { get; set; } = [];
    }

    internal sealed class Relabeling
    {
        public List<string> SourceLabels { get; set; } = [];

        public string TargetLabel { get; set; } = "";
    }
}
