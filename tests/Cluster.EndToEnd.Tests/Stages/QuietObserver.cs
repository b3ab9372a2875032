using Cluster.Core.Runs;
using Cluster.Silo.Stages;

namespace Cluster.EndToEnd.Tests.Stages;

/// <summary>Keeps what it is told.</summary>
internal sealed class QuietObserver : IRunObserver
{
    public List<string> Warnings { get; } = [];

    public List<(string Stage, bool Skipped)> Stages { get; } = [];

    public List<MetricPoint> Points { get; } = [];

    public Action<MetricPoint>? OnPoint { get; init; }

    public Action<string>? OnWarning { get; init; }

    public void Planned(RunPlan plan)
    {
    }

    public void StageStarted(string stage, string what)
    {
    }

    public void StageProgress(string stage, double fraction, string message)
    {
    }

    public void Trained(MetricPoint point, long totalSteps)
    {
        Points.Add(point);
        OnPoint?.Invoke(point);
    }

    public void Sampled(Sample sample)
    {
    }

    public void StageFinished(StageRecord stage, bool skipped) => Stages.Add((stage.Name, skipped));

    public void Warned(string message)
    {
        Warnings.Add(message);
        OnWarning?.Invoke(message);
    }

    public void Finished(RunSummary summary)
    {
    }
}
