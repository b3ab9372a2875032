namespace Cluster.Inference.Graph.Passes;

/// <summary>A change of a graph that leaves what it computes the same but for rounding. A pure function.</summary>
/// <param name="Name">What it is switched off by.</param>
/// <param name="Summary">What it does, in a line.</param>
/// <param name="Apply">The function.</param>
public sealed record GraphPass(string Name, string Summary, Func<ModelGraph, ModelGraph> Apply);
