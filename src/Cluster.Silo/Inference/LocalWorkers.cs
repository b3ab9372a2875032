using System.Collections.Concurrent;
using Cluster.Contracts.Training;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Logging;

namespace Cluster.Silo.Inference;

/// <summary>The workers on this silo, by their grains' keys; and how they leave before the silo does.</summary>
internal sealed class LocalWorkers : IReplicaDrain, IAsyncDisposable
{
    private static readonly TimeSpan s_sweep = TimeSpan.FromSeconds(1);
    private readonly ConcurrentDictionary<string, ModelWorker> _workers = new(StringComparer.Ordinal);
    private readonly InferenceOptions _options;
    private readonly TimeProvider _time;
    private readonly InferenceInstruments _instruments;
    private readonly ILogger<LocalWorkers> _logger;
    private readonly EngineLimit _limit;
    private readonly ITimer _sweep;
    private volatile bool _leaves;

    public LocalWorkers(InferenceOptions options, TimeProvider time, InferenceInstruments instruments, ILogger<LocalWorkers> logger)
    {
        (_options, _time, _instruments, _logger, _limit) = (options, time, instruments, logger, new EngineLimit(options.MaxEngines));
        instruments.Show(() => [.. _workers.Select(worker => (worker.Key, worker.Value.Figures()))]);
        _sweep = time.CreateTimer(_ => Sweep(), null, s_sweep, s_sweep);
    }

    /// <summary>The worker of that key, which a <see cref="ReplicaKey"/> is.</summary>
    public ModelWorker Of(string key)
    {
        var worker = _workers.GetOrAdd(key, key => new ModelWorker(ReplicaKey.Parse(key).Run, _options, _limit, FreeIdle, _time, _instruments, _logger));
        if (_leaves)
            worker.Stop();
        return worker;
    }

    /// <inheritdoc/>
    public Task DrainAsync(CancellationToken cancellation)
    {
        // A reply goes on elsewhere with the same tokens: there is nothing to wait for.
        _leaves = true;
        foreach (var worker in _workers.Values)
            worker.Stop();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _sweep.DisposeAsync();
        foreach (var worker in _workers.Values)
            await worker.DisposeAsync();
    }

    private void Sweep()
    {
        foreach (var worker in _workers.Values)
            worker.Sweep();
    }

    private bool FreeIdle() => _workers.Values.Any(worker => worker.FreeIdle());
}
