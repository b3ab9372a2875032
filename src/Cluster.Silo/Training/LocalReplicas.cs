using System.Collections.Concurrent;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Faults;
using Cluster.Silo.Hosting;
using Cluster.Silo.Shards;
using Cluster.Silo.Simulation;
using Microsoft.Extensions.Logging;

namespace Cluster.Silo.Training;

/// <summary>The replicas on this silo, by their grains' keys; and how they leave before the silo does.</summary>
public sealed partial class LocalReplicas(
    IGrainFactory grains, ILocalSiloDetails silo, ExchangeHub hub, TrainingSilos silos, TimeProvider time, ILogger<LocalReplicas> logger,
    ReplicaInstruments instruments, SimulatedReplicas simulations, TracingOptions tracing, FaultInjector? faults = null) : IReplicaDrain, IAsyncDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30), s_pause = TimeSpan.FromMilliseconds(100);
    private readonly ConcurrentDictionary<string, ILocalReplica> _replicas = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<string, (CoordinatorLine Coordinator, ShardLine Shards)> _lines = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _starting = new(1);

    /// <summary>The replica of that key, or null where there is none.</summary>
    internal ILocalReplica? Find(string key) => _replicas.GetValueOrDefault(key);

    /// <summary>Has a replica work on a job; nothing happens where it does so already.</summary>
    internal async Task StartAsync(string key, TrainingJob job)
    {
        await _starting.WaitAsync();
        try
        {
            if (Find(key) is { } present && present.WorksOn(job))
                return;
            // A job that begins again (from a checkpoint, in the same process) finds the last one's engine here.
            await StopAsync(key);
            instruments.Watch(() => _replicas.Values.OfType<ReplicaHost>().Select(host => host.Worker));
            var (line, shards) = _lines.GetOrAdd(job.Key, name =>
                (new CoordinatorLine(grains.GetGrain<IAllReduceGrain>(name), time, logger), new ShardLine(grains.GetGrain<IShardGrain>(name))));
            _replicas[key] = job.Simulated is { } work
                ? simulations.Start(key, job, work, line, shards)
                : new ReplicaHost(key, job, silo.SiloAddress, hub, grains, silos, time, logger, line, shards, faults,
                    tracing.StepsPerTrace);
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>Ends a replica and frees its engine.</summary>
    internal async Task StopAsync(string key)
    {
        if (!_replicas.TryRemove(key, out var replica))
            return;
        if (_replicas.Values.All(other => other.Job.Key != replica.Job.Key))
            _lines.TryRemove(replica.Job.Key, out _);
        await replica.DisposeAsync();
    }

    /// <inheritdoc/>
    public async Task DrainAsync(CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(s_limit);
        foreach (var job in _replicas.Values.Select(replica => replica.Job.Key).Distinct(StringComparer.Ordinal).ToArray())
        {
            try
            {
                // The step at hand has to end first.
                var coordinator = grains.GetGrain<IAllReduceGrain>(job);
                while (!await GrainCalls.RetryAsync(() => coordinator.DrainSiloAsync(silo.Name), limit.Token))
                    await Task.Delay(s_pause, limit.Token);
                var progress = await GrainCalls.RetryAsync(() => coordinator.GetProgressAsync(), limit.Token);
                if (progress.Stopped is null && progress.Members.Any(member => ReplicaKey.Parse(ReplicaKey.OfMember(member)).Silo == silo.Name))
                    await SaveAsync(job, limit.Token);
            }
            catch (Exception error) when (error is OrleansException or TimeoutException or OperationCanceledException)
            {
                // The silo ends in any case; to the others its replicas are lost.
            }
        }
    }

    /// <summary>The last silo has nobody to hand the run's state to: the stage ends here with a checkpoint, and can be resumed from it.</summary>
    private async Task SaveAsync(string job, CancellationToken cancellation)
    {
        var run = grains.GetGrain<ITrainingRunGrain>(job);
        if (!await IsAtWorkAsync())
            return;
        LogLast(job);
        await GrainCalls.RetryAsync(() => run.CancelAsync(), cancellation);
        while (await IsAtWorkAsync())
            await Task.Delay(s_pause, cancellation);

        async Task<bool> IsAtWorkAsync() => await GrainCalls.RetryAsync(() => run.GetStatusAsync(), cancellation) is { State: "running" or "paused" };
    }

    [LoggerMessage(LogLevel.Warning, "{Job} ends with a checkpoint: this is the last silo that has its state, and it is to leave")]
    private partial void LogLast(string job);

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var key in _replicas.Keys)
            await StopAsync(key);
        _starting.Dispose();
    }
}
