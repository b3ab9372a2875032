using System.Collections.Concurrent;
using Cluster.Contracts.Training;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Faults;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Logging;

namespace Cluster.Silo.Training;

/// <summary>The replicas on this silo, by their grains' keys; and how they leave before the silo does.</summary>
public sealed partial class LocalReplicas(
    IGrainFactory grains, ILocalSiloDetails silo, ExchangeHub hub, TrainingSilos silos, TimeProvider time, ILogger<LocalReplicas> logger,
    ReplicaInstruments instruments, TracingOptions tracing, FaultInjector? faults = null) : IReplicaDrain, IAsyncDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(30), s_pause = TimeSpan.FromMilliseconds(100);
    private readonly ConcurrentDictionary<string, ReplicaHost> _hosts = new(StringComparer.Ordinal);
    private readonly SemaphoreSlim _starting = new(1);

    /// <summary>The replica of that key, or null where there is none.</summary>
    internal ReplicaHost? Find(string key) => _hosts.GetValueOrDefault(key);

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
            instruments.Watch(() => _hosts.Values.Select(host => host.Worker));
            _hosts[key] = new ReplicaHost(key, job, silo.SiloAddress, hub, grains, silos, time, logger, faults, tracing.StepsPerTrace);
        }
        finally
        {
            _starting.Release();
        }
    }

    /// <summary>Ends a replica and frees its engine.</summary>
    internal async Task StopAsync(string key)
    {
        if (_hosts.TryRemove(key, out var host))
            await host.DisposeAsync();
    }

    /// <inheritdoc/>
    public async Task DrainAsync(CancellationToken cancellation)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        limit.CancelAfter(s_limit);
        foreach (var job in _hosts.Values.Select(host => host.Job.Key).Distinct(StringComparer.Ordinal).ToArray())
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
        foreach (var key in _hosts.Keys)
            await StopAsync(key);
        _starting.Dispose();
    }
}
