using System.Diagnostics.Metrics;
using Cluster.Silo.Training;

namespace Cluster.Silo.Checkpoints;

/// <summary>What the keeper of a stage's checkpoints shows to a metrics system.</summary>
public sealed class CheckpointInstruments
{
    private readonly RecentSeries<Known> _series = new();
    private readonly Counter<long> _saved;
    private readonly TimeProvider _time;

    /// <param name="meters">Of the host.</param>
    /// <param name="time">Tells how old a checkpoint is; null is the system's.</param>
    public CheckpointInstruments(IMeterFactory meters, TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        var meter = meters.Create("Cluster.Checkpoints");
        meter.CreateObservableGauge("cluster.checkpoint.age", () => _series.Observe<double>(known => _time.GetElapsedTime(known.SavedAt).TotalSeconds), "s",
            "Time since the last checkpoint was written, or since the stage began.");
        meter.CreateObservableGauge("cluster.checkpoint.duration", () => _series.Observe(known => known.Duration), "s",
            "How long the last checkpoint took, from its request until it was on disk.");
        meter.CreateObservableGauge("cluster.checkpoint.step", () => _series.Observe(known => known.Step), "{step}", "Steps of the last checkpoint.");
        _saved = meter.CreateCounter<long>("cluster.checkpoint.attempts", "{checkpoint}", "Checkpoints that were to be written, by what came of it.");
    }

    /// <summary>A stage begins, or is looked after from here.</summary>
    internal void Open(string job)
    {
        Set(job, known => known ?? new Known(_time.GetTimestamp(), null, null));
        // A count that is not there could not be seen to rise.
        Count(job, "saved", 0);
        Count(job, "failed", 0);
    }

    /// <summary>A checkpoint is on disk.</summary>
    internal void Saved(string job, long step, double seconds)
    {
        Set(job, _ => new Known(_time.GetTimestamp(), seconds, step));
        Count(job, "saved");
    }

    /// <summary>A checkpoint could not be written.</summary>
    internal void Failed(string job) => Count(job, "failed");

    /// <summary>Another silo looks after it.</summary>
    internal void Forget(string job)
    {
        var (run, stage) = RecentSeries<Known>.Of(job);
        _series.Remove(run, stage);
    }

    private void Set(string job, Func<Known?, Known> change)
    {
        var (run, stage) = RecentSeries<Known>.Of(job);
        _series.Set(run, stage, change);
    }

    private void Count(string job, string outcome, long number = 1)
    {
        var (run, stage) = RecentSeries<Known>.Of(job);
        _saved.Add(number, new("run", run), new("stage", stage), new("outcome", outcome));
    }

    /// <param name="SavedAt">Timestamp of the last, or of the beginning.</param>
    /// <param name="Duration">Seconds that it took.</param>
    /// <param name="Step">Its steps.</param>
    private sealed record Known(long SavedAt, double? Duration, long? Step);
}
