using Cluster.Contracts.Training;

namespace Cluster.Silo.Simulation;

/// <summary>When things happened to the simulated replicas of a silo. From any thread; times are timestamps of one clock.</summary>
internal sealed class SimulationLedger
{
    private readonly Lock _gate = new();
    private readonly SortedDictionary<long, (long LastReady, long FirstCommit, long LastCommit)> _steps = [];
    private readonly List<long> _failures = [];
    private long _wrong;

    /// <summary>A replica says READY; what it says again later does not count.</summary>
    public void Ready(long step, long at)
    {
        lock (_gate)
        {
            var seen = _steps.GetValueOrDefault(step);
            if (seen.FirstCommit == 0)
                _steps[step] = seen with { LastReady = Math.Max(seen.LastReady, at) };
        }
    }

    /// <summary>A replica applies a step.</summary>
    /// <param name="step">The step.</param>
    /// <param name="at">When it heard of the COMMIT.</param>
    public void Applied(long step, long at)
    {
        lock (_gate)
        {
            var seen = _steps.GetValueOrDefault(step);
            _steps[step] = seen with { FirstCommit = seen.FirstCommit == 0 ? at : Math.Min(seen.FirstCommit, at), LastCommit = Math.Max(seen.LastCommit, at) };
        }
    }

    /// <summary>A replica fails.</summary>
    public void Failed(long at)
    {
        lock (_gate)
            _failures.Add(at);
    }

    /// <summary>A replica has met other bits than (seed, step) give.</summary>
    public void FoundWrong() => Interlocked.Increment(ref _wrong);

    /// <summary>All so far.</summary>
    public SimulationFigures Figures(long messages, long bytes, double processorSeconds)
    {
        lock (_gate)
        {
            return new SimulationFigures([.. _steps.Select(step => new SimulatedStep(step.Key, step.Value.LastReady, step.Value.FirstCommit, step.Value.LastCommit))],
                [.. _failures], messages, bytes, processorSeconds, Interlocked.Read(ref _wrong));
        }
    }
}
