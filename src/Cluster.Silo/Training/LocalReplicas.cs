using System.Collections.Concurrent;
using Cluster.Contracts.Training;
using Cluster.Silo.Hosting;

namespace Cluster.Silo.Training;

/// <summary>The replicas on this silo: which jobs they work on, and how they leave before the silo does.</summary>
public sealed class LocalReplicas(IGrainFactory grains, ILocalSiloDetails silo) : IReplicaDrain
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30), s_pause = TimeSpan.FromMilliseconds(100);
    private readonly ConcurrentDictionary<string, string> _jobs = new(StringComparer.Ordinal);

    /// <summary>A replica works on a job from now on.</summary>
    public void Add(string replica, string job) => _jobs[replica] = job;

    /// <summary>It does not any more.</summary>
    public void Remove(string replica) => _jobs.TryRemove(replica, out _);

    /// <inheritdoc/>
    public async Task DrainAsync(CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(s_limit);
        foreach (var job in _jobs.Values.Distinct(StringComparer.Ordinal).ToArray())
        {
            try
            {
                // The step at hand has to end first.
                while (!await GrainCalls.RetryAsync(() => grains.GetGrain<IAllReduceGrain>(job).DrainSiloAsync(silo.Name), limit.Token))
                    await Task.Delay(s_pause, limit.Token);
            }
            catch (Exception error) when (error is OrleansException or TimeoutException or OperationCanceledException)
            {
                // The silo ends in any case; to the others its replicas are lost.
            }
        }
    }
}
