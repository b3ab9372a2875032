namespace Cluster.Inference.Serving;

/// <summary>An engine takes no requests: its backend failed, or it is to end. Ask another one.</summary>
public sealed class EngineUnavailableException(string reason, Exception? inner = null) : Exception(reason, inner);
