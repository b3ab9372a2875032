namespace Cluster.Core.Faults;

/// <summary>Where in a step a replica is, in this order.</summary>
public enum StepPhase
{
    /// <summary>A lane's gradient is computed and not yet kept.</summary>
    Backward,

    /// <summary>Half of the replica's own slices are added up.</summary>
    Reduce,

    /// <summary>Half of the other replicas' slices are fetched.</summary>
    Gather,

    /// <summary>The whole gradient is there, and nobody has been told.</summary>
    Ready,

    /// <summary>The step is known to be committed, and nothing of it applied.</summary>
    Commit,

    /// <summary>The step is applied, and the new state not yet shown to anyone.</summary>
    Apply,
}
