using System.Diagnostics.Metrics;

namespace Cluster.Silo.Training;

/// <summary>What a stage's coordinator shows to a metrics system: who takes part, who was lost, and what the time went into.</summary>
public sealed class CoordinatorInstruments
{
    private readonly RecentSeries<StageTimes> _series = new();
    private readonly Counter<long> _recoveries, _lost;
    private readonly Counter<double> _recoveryTime;

    /// <param name="meters">Of the host.</param>
    public CoordinatorInstruments(IMeterFactory meters)
    {
        var meter = meters.Create(TrainingInstruments.MeterName);
        meter.CreateObservableGauge("cluster.training.generation", () => _series.Observe<long>(stage => stage.Generation), "1",
            "How often who computes what was settled anew.");
        meter.CreateObservableGauge("cluster.training.replicas", () => _series.Observe<long>(stage => stage.Lanes.Count), "{replica}", "Replicas that take part.");
        meter.CreateObservableGauge("cluster.training.replica.lanes", () => _series.ObserveMany(stage => stage.Lanes.Select(replica =>
            ((long)replica.Lanes, (KeyValuePair<string, object?>[])[new("replica", replica.Name)]))), "{lane}", "Lanes of a replica.");
        meter.CreateObservableCounter("cluster.training.lanes.lost", () => _series.Observe<long>(stage => stage.LostLanes), "{lane}",
            "Lanes computed again because their replica died.");
        meter.CreateObservableCounter("cluster.training.lanes.moved", () => _series.Observe<long>(stage => stage.MovedLanes), "{lane}",
            "Lanes that went from slow replicas to fast ones.");
        meter.CreateObservableCounter("cluster.training.time", () => _series.ObserveMany(stage => stage.Seconds.Select(kind =>
            (kind.Value, (KeyValuePair<string, object?>[])[new("kind", kind.Key)]))), "s",
            "Time between commits: in steps, in steps with a recovery, and in halts (validation, pauses).");
        meter.CreateObservableGauge("cluster.training.goodput", () => _series.Observe<double>(stage => stage.Goodput), "1",
            "Share of the time that went into steps without a recovery.");
        _recoveries = meter.CreateCounter<long>("cluster.training.recoveries", "{recovery}", "Losses after which training went on.");
        _lost = meter.CreateCounter<long>("cluster.training.replicas.lost", "{replica}", "Replicas that left without being asked to.");
        _recoveryTime = meter.CreateCounter<double>("cluster.training.recovery.time", "s", "Time from the first sign of a loss to the next commit, over all losses.");
    }

    /// <summary>Shows the present figures of a stage.</summary>
    internal void Show(string job, StageTimes times)
    {
        var (run, stage) = RecentSeries<StageTimes>.Of(job);
        _series.Set(run, stage, _ => times);
    }

    /// <summary>Another coordinator is in charge, or the stage is over.</summary>
    internal void Forget(string job)
    {
        var (run, stage) = RecentSeries<StageTimes>.Of(job);
        _series.Remove(run, stage);
    }

    /// <summary>A stage begins: a count that is not there could not be seen to rise.</summary>
    internal void Open(string job)
    {
        _lost.Add(0, Tags(job));
        _recoveries.Add(0, Tags(job));
        _recoveryTime.Add(0, Tags(job));
    }

    /// <summary>Replicas are gone.</summary>
    internal void Lost(string job, int replicas) => _lost.Add(replicas, Tags(job));

    /// <summary>Training goes on after a loss.</summary>
    internal void Recovered(string job, double seconds)
    {
        _recoveries.Add(1, Tags(job));
        _recoveryTime.Add(seconds, Tags(job));
    }

    private static KeyValuePair<string, object?>[] Tags(string job)
    {
        var (run, stage) = RecentSeries<StageTimes>.Of(job);
        return [new("run", run), new("stage", stage)];
    }
}
