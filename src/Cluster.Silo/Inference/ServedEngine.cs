using Cluster.Inference.Serving;

namespace Cluster.Silo.Inference;

/// <summary>An engine with some weights, and how many of its replies are under way.</summary>
internal sealed class ServedEngine(RunSource source, RunWeights weights, InferenceEngine engine)
{
    /// <summary>The run's.</summary>
    public RunSource Source => source;

    /// <summary>Where the weights come from.</summary>
    public RunWeights From => weights;

    /// <summary>SHA-256 of the weights.</summary>
    public string Weights => weights.Sha256;

    /// <summary>The engine.</summary>
    public InferenceEngine Engine => engine;

    /// <summary>Replies under way; guarded by the worker's gate.</summary>
    public int Replies { get; set; }
}
