namespace Cluster.Silo.Hosting;

/// <summary>
/// Gives up what this silo works on, so that it can leave without anybody waiting for it. Whoever is registered under this type is
/// asked before the silo leaves the cluster: its grains and sockets still answer.
/// </summary>
public interface IReplicaDrain
{
    /// <summary>Returns when nothing is waited for from this silo any more.</summary>
    /// <param name="cancellation">The silo ends now in any case.</param>
    Task DrainAsync(CancellationToken cancellation);
}

/// <summary>Asks every <see cref="IReplicaDrain"/> as the first thing of a silo's orderly end.</summary>
internal sealed class ReplicaDrainParticipant(IEnumerable<IReplicaDrain> drains) : ILifecycleParticipant<ISiloLifecycle>
{
    // Stages are stopped from the last to the first: while this one is, the silo is still a member and everything runs.
    public void Participate(ISiloLifecycle lifecycle) => lifecycle.Subscribe(
        nameof(ReplicaDrainParticipant), ServiceLifecycleStage.Last, _ => Task.CompletedTask,
        cancellation => Task.WhenAll(drains.Select(drain => drain.DrainAsync(cancellation))));
}
