using Cluster.Core.Faults;

namespace Cluster.Silo.Faults;

/// <summary>Told where in a step one replica is, on its compute thread. Only tests of faults have one.</summary>
public interface IStepWatch
{
    /// <summary>It has come to a phase of a step.</summary>
    void Reached(StepPhase phase, long step);

    /// <summary>It has computed a lane's gradient.</summary>
    void Computed(long step, int lane);

    /// <summary>It has applied a step.</summary>
    void Applied(long step);
}
