using Cluster.Core.Faults;
using Orleans;

namespace Cluster.Contracts.Faults;

/// <summary>
/// Has things go wrong on a silo, where its configuration allows that. Key: a replica's, as <see cref="Training.ReplicaKey"/> makes it,
/// with any run and slot; it runs on that silo.
/// </summary>
[Alias("Cluster.Faults")]
public interface IFaultGrain : IGrainWithStringKey
{
    /// <summary>Arms a fault; see <see cref="Fault"/>.</summary>
    /// <exception cref="InvalidOperationException">Faults are not allowed on that silo.</exception>
    [Alias("Arm")]
    Task ArmAsync(FaultKind kind, StepPhase phase, long step, double seconds, long steps = 0);
}
