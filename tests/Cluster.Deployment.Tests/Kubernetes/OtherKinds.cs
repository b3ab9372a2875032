using k8s.Models;

namespace Cluster.Deployment.Tests.Kubernetes;

/// <summary>The Prometheus operator's rules, as far as they are used here (monitoring.coreos.com/v1).</summary>
internal sealed class PrometheusRule
{
    public string ApiVersion { get; set; } = "";

    public string Kind { get; set; } = "";

    public V1ObjectMeta Metadata { get; set; } = new();

    public RuleSpec Spec { get; set; } = new();

    internal sealed class RuleSpec
    {
        public List<Group> Groups { get; set; } = [];
    }

    internal sealed class Group
    {
        public string Name { get; set; } = "";

        public List<Rule> Rules { get; set; } = [];
    }

    internal sealed class Rule
    {
        public string? Alert { get; set; }

        public string? Record { get; set; }

        public string Expr { get; set; } = "";

        public string? For { get; set; }

        public Dictionary<string, string>? Labels { get; set; }

        public Dictionary<string, string>? Annotations { get; set; }
    }
}

/// <summary>KEDA's, as far as it is used here (keda.sh/v1alpha1).</summary>
internal sealed class ScaledObject
{
    public string ApiVersion { get; set; } = "";

    public string Kind { get; set; } = "";

    public V1ObjectMeta Metadata { get; set; } = new();

    public ScaledObjectSpec Spec { get; set; } = new();

    internal sealed class ScaledObjectSpec
    {
        public Target ScaleTargetRef { get; set; } = new();

        public int PollingInterval { get; set; }

        public int CooldownPeriod { get; set; }

        public int MinReplicaCount { get; set; }

        public int MaxReplicaCount { get; set; }

        public FallbackSpec? Fallback { get; set; }

        public List<Trigger> Triggers { get; set; } = [];
    }

    internal sealed class Target
    {
        public string ApiVersion { get; set; } = "";

        public string Kind { get; set; } = "";

        public string Name { get; set; } = "";
    }

    internal sealed class FallbackSpec
    {
        public int FailureThreshold { get; set; }

        public int Replicas { get; set; }
    }

    internal sealed class Trigger
    {
        public string Type { get; set; } = "";

        public string Name { get; set; } = "";

        public string MetricType { get; set; } = "";

        public Dictionary<string, string> Metadata { get; set; } = [];
    }
}
