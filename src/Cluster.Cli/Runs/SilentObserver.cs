using Cluster.Core.Runs;
using Cluster.Silo.Stages;

namespace Cluster.Cli.Runs;

/// <summary>Shows nothing; for those who care for one thing that a run does, or for none.</summary>
internal class SilentObserver : IRunObserver
{
    /// <inheritdoc/>
    public virtual void Planned(RunPlan plan)
    {
    }

    /// <inheritdoc/>
    public virtual void StageStarted(string stage, string what)
    {
    }

    /// <inheritdoc/>
    public virtual void StageProgress(string stage, double fraction, string message)
    {
    }

    /// <inheritdoc/>
    public virtual void Trained(MetricPoint point, long totalSteps)
    {
    }

    /// <inheritdoc/>
    public virtual void Sampled(Sample sample)
    {
    }

    /// <inheritdoc/>
    public virtual void StageFinished(StageRecord stage, bool skipped)
    {
    }

    /// <inheritdoc/>
    public virtual void Warned(string message)
    {
    }

    /// <inheritdoc/>
    public virtual void Finished(RunSummary summary)
    {
    }
}
