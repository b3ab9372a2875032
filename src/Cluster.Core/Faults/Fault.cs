namespace Cluster.Core.Faults;

/// <summary>What can be made to go wrong.</summary>
public enum FaultKind
{
    /// <summary>The process ends at once (SIGKILL).</summary>
    Kill,

    /// <summary>The process stands still (SIGSTOP) until somebody lets it go on.</summary>
    Hang,

    /// <summary>The replica's compute thread sleeps.</summary>
    Slow,

    /// <summary>Every connection that peers have to the process is closed.</summary>
    Disconnect,

    /// <summary>One byte of the next frame that the process sends is wrong.</summary>
    CorruptFrame,

    /// <summary>The next checkpoint that the process writes finds no room.</summary>
    FullDisk,

    /// <summary>Another activation of the coordinator takes its record over, as Orleans may briefly have two of one grain.</summary>
    SecondCoordinator,
}

/// <summary>Something that is to go wrong once, or for a while.</summary>
/// <param name="Kind">What.</param>
/// <param name="Phase">Where in a step.</param>
/// <param name="Step">At this step, counted from 0, or the first after it that gets there.</param>
/// <param name="Seconds">How long, for <see cref="FaultKind.Slow"/>.</param>
/// <param name="Steps">
/// For <see cref="FaultKind.Slow"/>: it goes on for so many steps, every time that the replica gets to the phase: after each lane, where that
/// is <see cref="StepPhase.Backward"/>. 0 for once.
/// </param>
public sealed record Fault(FaultKind Kind, StepPhase Phase, long Step, double Seconds = 0, long Steps = 0);
