namespace Cluster.Inference.Managed.Steps;

/// <summary>Which rows a step computes.</summary>
internal enum RowScope
{
    /// <summary>All.</summary>
    All,

    /// <summary>Those whose logits are wanted: nothing behind the step writes into a cache.</summary>
    Wanted,

    /// <summary>All as far as the cache goes, and those whose logits are wanted for its result.</summary>
    CacheOfAll,
}

/// <summary>One operation of a compiled graph. Every thread runs every step: its share of a split one, the whole of another into its own copy.</summary>
internal abstract unsafe class PlanStep
{
    /// <summary>The node.</summary>
    public required string Name { get; init; }

    /// <summary>Whether all threads must have come here before: a thread reads what others wrote, or writes what others read.</summary>
    public required bool Barrier { get; init; }

    /// <summary>Which rows it computes.</summary>
    public required RowScope Scope { get; init; }

    /// <summary>Computes rows first to last − 1.</summary>
    public abstract void Run(int thread, int first, int last);
}
