namespace Cluster.Contracts.Inference;

/// <summary>A request has no reply, or not all of it.</summary>
public sealed class InferenceException(Refusal refusal) : Exception(refusal.Message)
{
    /// <summary>Why.</summary>
    public Refusal Refusal => refusal;
}
