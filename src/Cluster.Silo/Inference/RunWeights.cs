using Cluster.Core.Checkpoints;

namespace Cluster.Silo.Inference;

/// <summary>Weights that a run's folder holds: a checkpoint's, or a quantised model's.</summary>
/// <param name="Stage">The training stage they come from.</param>
/// <param name="Step">Steps applied.</param>
/// <param name="Sha256">Names them: of the flat parameters, or of the quantised model's file; lower-case hex.</param>
/// <param name="Path">Their folder.</param>
public sealed record RunWeights(string Stage, long Step, string Sha256, string Path)
{
    /// <summary>A checkpoint's.</summary>
    public static RunWeights Of(SavedCheckpoint checkpoint) =>
        new(checkpoint.Manifest.Stage, checkpoint.Manifest.Step, checkpoint.Manifest.WeightsSha256, checkpoint.Path);
}
