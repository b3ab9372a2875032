using Cluster.Core.Runs;

namespace Cluster.Silo.Stages;

/// <summary>Passes calls on one at a time, whichever threads they come from.</summary>
internal sealed class SerialObserver(IRunObserver inner) : IRunObserver
{
    private readonly Lock _gate = new();

    public void Planned(RunPlan plan) => Say(o => o.Planned(plan));

    public void StageStarted(string stage, string what) => Say(o => o.StageStarted(stage, what));

    public void StageProgress(string stage, double fraction, string message) => Say(o => o.StageProgress(stage, fraction, message));

    public void Trained(MetricPoint point, long totalSteps) => Say(o => o.Trained(point, totalSteps));

    public void Sampled(Sample sample) => Say(o => o.Sampled(sample));

    public void StageFinished(StageRecord stage, bool skipped) => Say(o => o.StageFinished(stage, skipped));

    public void Warned(string message) => Say(o => o.Warned(message));

    public void Finished(RunSummary summary) => Say(o => o.Finished(summary));

    private void Say(Action<IRunObserver> what)
    {
        lock (_gate)
            what(inner);
    }
}
