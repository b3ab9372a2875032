using Cluster.Contracts.Training;
using Cluster.Silo.Hosting;

namespace Cluster.Silo.Simulation;

/// <inheritdoc cref="ISimulationGrain"/>
[SiloNamePlacement]
public sealed class SimulationGrain(SimulatedReplicas replicas) : Grain, ISimulationGrain
{
    /// <inheritdoc/>
    public Task<SimulationFigures> GetAsync() =>
        Task.FromResult(replicas.FiguresOf(ReplicaKey.Parse(this.GetPrimaryKeyString()).Run) ?? new SimulationFigures([], [], 0, 0, 0, 0));
}
