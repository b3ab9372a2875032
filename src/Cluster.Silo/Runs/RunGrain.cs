using Cluster.Contracts.Runs;
using Orleans.Placement;

namespace Cluster.Silo.Runs;

/// <summary>
/// The live view of a run, in memory only: the run's folder is what lasts. It knows no training; whoever works on the run reports here.
/// </summary>
[KeepAlive, Immovable]
public sealed class RunGrain(IGrainFactory grains) : Grain, IRunGrain
{
    private const int MostMetrics = 100_000, MostSamples = 10_000, MetricsAtATime = 5_000, SamplesAtATime = 500;

    // Validations are few, and a curve without them says little: training steps are thinned out first.
    private readonly LineLog _metrics = new(MostMetrics, line => line.Contains("\"validation_loss\":", StringComparison.Ordinal));
    private readonly LineLog _samples = new(MostSamples);
    private RunStatus? _status;
    private bool _isListed;

    /// <inheritdoc/>
    public async Task ReportAsync(RunStatus status)
    {
        _status = status;
        if (_isListed)
            return;
        await grains.GetGrain<IRunIndexGrain>(IRunIndexGrain.Key).AddAsync(this.GetPrimaryKeyString());
        _isListed = true;
    }

    /// <inheritdoc/>
    public Task AppendMetricsAsync(IReadOnlyList<string> lines)
    {
        foreach (var line in lines)
            _metrics.Add(line);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task AppendSampleAsync(string line)
    {
        _samples.Add(line);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<RunStatus?> GetStatusAsync()
    {
        // Asking for a run that nobody reported must not leave a grain behind for good.
        if (_status is null && _metrics.Added == 0 && _samples.Added == 0)
            DeactivateOnIdle();
        return Task.FromResult(_status);
    }

    /// <inheritdoc/>
    public Task<RunLines> GetMetricsAsync(long after) => Task.FromResult(_metrics.From(after, MetricsAtATime));

    /// <inheritdoc/>
    public Task<RunLines> GetSamplesAsync(long after) => Task.FromResult(_samples.From(after, SamplesAtATime));
}
