namespace Cluster.Collectives.Simulation;

/// <summary>What a schedule of the simulator looks like. The same seed and options give the same schedule, event for event.</summary>
public sealed record SimulationOptions
{
    /// <summary>Whether the store may come back with its last writes lost, or empty. (Then a legitimate end is to stop and say so.)</summary>
    public bool StoreLosesData { get; init; } = true;

    /// <summary>Whether anything goes wrong at all; without faults a schedule is one of delays only.</summary>
    public bool Faults { get; init; } = true;

    /// <summary>Whether replicas share the optimizer's state.</summary>
    public bool ShardOptimizer { get; init; }

    /// <summary>Whether the result has a line per event.</summary>
    public bool Trace { get; init; }

    /// <summary>Instead of the seed's faults, these; how a failing schedule is shrunk.</summary>
    internal IReadOnlyList<SimulatedFault>? Only { get; init; }

    /// <summary>A mistake of the simulated drivers, to show that it is found.</summary>
    internal PlantedBug Bug { get; init; }
}

/// <summary>What came of one schedule.</summary>
/// <param name="Seed">Of the schedule.</param>
/// <param name="Violation">The invariant that was broken, in words; null where all held.</param>
/// <param name="Stopped">Why the run stopped, where it had a right to; null where it reached its last step.</param>
/// <param name="Steps">Steps committed.</param>
/// <param name="Done">Whether that is all of them; false where nobody survived, or the run stopped.</param>
/// <param name="Events">Events handled.</param>
/// <param name="TraceHash">Of every event in order: equal for a schedule that is replayed.</param>
/// <param name="Faults">What was injected, in words.</param>
/// <param name="Activations">Of the coordinator.</param>
/// <param name="Joined">Newcomers taken in.</param>
/// <param name="LanesComputed">By all replicas.</param>
/// <param name="LanesLost">Lanes computed, and gone with their replica before their step was committed.</param>
/// <param name="LanesMoved">Lanes that went from slow replicas to fast ones.</param>
/// <param name="Trace">A line per event, where asked for.</param>
/// <param name="Rollbacks">How often a part of the optimizer's state was lost with all who held it, and the run went back to a checkpoint.</param>
public sealed record SimulationResult(
    ulong Seed, string? Violation, string? Stopped, long Steps, bool Done, int Events, ulong TraceHash, IReadOnlyList<string> Faults,
    int Activations, int Joined, long LanesComputed, long LanesLost, long LanesMoved, IReadOnlyList<string> Trace, int Rollbacks = 0);

/// <summary>What goes wrong.</summary>
internal enum FaultKind
{
    /// <summary>A process ends; its state is gone.</summary>
    Kill,

    /// <summary>The process that hosts the coordinator ends.</summary>
    KillCoordinator,

    /// <summary>A process handles nothing for a while, then everything at once.</summary>
    Pause,

    /// <summary>The process that hosts the coordinator is paused.</summary>
    PauseCoordinator,

    /// <summary>Some processes and the others do not reach each other.</summary>
    Partition,

    /// <summary>Two processes' data connection is broken; their control plane is not.</summary>
    BreakLink,

    /// <summary>Copies of states arrive damaged.</summary>
    Corrupt,

    /// <summary>Messages of the control plane get lost.</summary>
    Drop,

    /// <summary>Messages of the control plane arrive twice.</summary>
    Duplicate,

    /// <summary>Messages take long.</summary>
    Delay,

    /// <summary>A second activation of the coordinator; the first one does not know.</summary>
    SecondActivation,

    /// <summary>The store answers nobody.</summary>
    StoreOut,

    /// <summary>Writes time out, whether they happened or not.</summary>
    StoreTimeouts,

    /// <summary>The store comes back without its last writes.</summary>
    StoreRollback,

    /// <summary>The store comes back empty.</summary>
    StoreEmptied,

    /// <summary>A fresh process joins.</summary>
    Join,

    /// <summary>An operator has a replica leave.</summary>
    Drain,

    /// <summary>An operator pauses the training.</summary>
    Halt,

    /// <summary>A process computes slowly for a while.</summary>
    Slow,
}

/// <summary>One fault: when, to whom, for how long.</summary>
internal readonly record struct SimulatedFault(FaultKind Kind, int Time, int Target, int Duration)
{
    public override string ToString() => $"t={Time} {Kind} {Target} for {Duration}";
}

/// <summary>Mistakes that a driver of the machines could make; each breaks one invariant, which the simulator must notice.</summary>
internal enum PlantedBug
{
    None,

    /// <summary>A READY of an older generation is passed off as the present one's.</summary>
    AcceptOldReady,

    /// <summary>One READY is taken for everybody's.</summary>
    CommitEarly,

    /// <summary>A repeated COMMIT is applied again.</summary>
    ApplyTwice,

    /// <summary>The gradient is applied without a COMMIT.</summary>
    ApplyUncommitted,

    /// <summary>The store writes whatever it is told.</summary>
    UnconditionalWrite,

    /// <summary>Lanes taken over are left out.</summary>
    SkipLostLanes,

    /// <summary>An activation goes on in its predecessor's term.</summary>
    NoNewTerm,

    /// <summary>The board serves parts whatever the key.</summary>
    StaleParts,

    /// <summary>A replica obeys a coordinator of the past.</summary>
    ObeyOldCoordinator,

    /// <summary>A copied state's hash is not checked, nor the donor's step.</summary>
    TrustCopy,

    /// <summary>Whoever cannot be reached is taken for dead.</summary>
    StallMeansDead,

    /// <summary>Nothing is said twice.</summary>
    NeverRemind,

    /// <summary>An empty store is taken for a new run.</summary>
    RecreateStore,

    /// <summary>A new generation computes everything again.</summary>
    DropHeldLanes,

    /// <summary>Nodes are added from left to right instead of along the tree.</summary>
    LeftFold,

    /// <summary>Members of one step are told different divisions.</summary>
    DivideTwice,

    /// <summary>A replica says how long all of its lanes took, not how long one did.</summary>
    TimeOfAllLanes,

    /// <summary>A replica says READY without the moments that it is to hold.</summary>
    ReadyWithoutMoments,

    /// <summary>Moments of an earlier step are taken for the present ones.</summary>
    KeepOldMoments,

    /// <summary>A replica that is asked does not tell which moments it holds.</summary>
    HideMoments,
}
