using Cluster.Contracts.Faults;
using Cluster.Core.Faults;
using Cluster.Silo.Hosting;

namespace Cluster.Silo.Faults;

/// <inheritdoc cref="IFaultGrain"/>
[SiloNamePlacement]
public sealed class FaultGrain(FaultInjector? injector = null) : Grain, IFaultGrain
{
    /// <inheritdoc/>
    public Task ArmAsync(FaultKind kind, StepPhase phase, long step, double seconds, long steps)
    {
        if (injector is null)
            throw new InvalidOperationException($"Faults are not allowed on this silo: its configuration has no {FaultInjection.Key}.");
        injector.Arm(new Fault(kind, phase, step, seconds, steps));
        return Task.CompletedTask;
    }
}
