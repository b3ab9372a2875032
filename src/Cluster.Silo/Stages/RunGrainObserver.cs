using System.Diagnostics;
using Cluster.Contracts.Runs;
using Cluster.Core.Runs;

namespace Cluster.Silo.Stages;

/// <summary>Tells the run's grain, which the web reads, and then the next observer. The grain's answers are not waited for.</summary>
internal sealed class RunGrainObserver(IRunGrain grain, string run, IRunObserver next) : IRunObserver
{
    private static readonly TimeSpan s_interval = TimeSpan.FromMilliseconds(500);
    private RunStatus _status = new(run, "running", "", 0, "", 0, 0);
    private long _said;

    public void Planned(RunPlan plan)
    {
        Say(_status with { Parameters = plan.Parameters });
        next.Planned(plan);
    }

    public void StageStarted(string stage, string what)
    {
        Say(_status with { Stage = stage, Fraction = 0, Message = what, TotalSteps = 0 });
        next.StageStarted(stage, what);
    }

    public void StageProgress(string stage, double fraction, string message)
    {
        Say(_status with { Fraction = fraction, Message = message }, mayWait: true);
        next.StageProgress(stage, fraction, message);
    }

    public void Trained(MetricPoint point, long totalSteps)
    {
        Say(_status with { Fraction = (double)point.Step / totalSteps, TotalSteps = totalSteps }, mayWait: true);
        next.Trained(point, totalSteps);
    }

    public void Sampled(Sample sample)
    {
        grain.AppendSampleAsync(RunJson.Line(sample)).Ignore();
        next.Sampled(sample);
    }

    public void StageFinished(StageRecord stage, bool skipped)
    {
        Say(_status with { Fraction = 1 });
        next.StageFinished(stage, skipped);
    }

    public void Warned(string message) => next.Warned(message);

    public void Finished(RunSummary summary)
    {
        Ended("done", "");
        next.Finished(summary);
    }

    /// <summary>The run is over.</summary>
    public void Ended(string state, string message) => Say(_status with { State = state, Message = message, Fraction = 1 });

    private void Say(RunStatus status, bool mayWait = false)
    {
        _status = status;
        if (mayWait && Stopwatch.GetElapsedTime(_said) < s_interval)
            return;
        _said = Stopwatch.GetTimestamp();
        grain.ReportAsync(status).Ignore();
    }
}
