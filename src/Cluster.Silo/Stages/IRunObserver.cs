using Cluster.Core.Runs;

namespace Cluster.Silo.Stages;

/// <summary>Told what a run does, as it does it, one call at a time; it must return quickly and may not throw.</summary>
public interface IRunObserver
{
    /// <summary>Before the first stage.</summary>
    void Planned(RunPlan plan);

    /// <summary>A stage begins.</summary>
    /// <param name="stage">One of <see cref="StageNames"/>.</param>
    /// <param name="what">One line about it.</param>
    void StageStarted(string stage, string what);

    /// <summary>A stage goes on.</summary>
    /// <param name="stage">One of <see cref="StageNames"/>.</param>
    /// <param name="fraction">Share done, 0–1.</param>
    /// <param name="message">What it is at.</param>
    void StageProgress(string stage, double fraction, string message);

    /// <summary>A step was trained, or a validation made.</summary>
    /// <param name="point">Figures.</param>
    /// <param name="totalSteps">Steps that the stage goes to.</param>
    void Trained(MetricPoint point, long totalSteps);

    /// <summary>The model wrote something.</summary>
    void Sampled(Sample sample);

    /// <summary>A stage is done.</summary>
    /// <param name="stage">Time and figures.</param>
    /// <param name="skipped">It was done by an earlier process.</param>
    void StageFinished(StageRecord stage, bool skipped);

    /// <summary>Something to know that is no failure: a skipped checkpoint, a corpus of few documents.</summary>
    void Warned(string message);

    /// <summary>All stages are done.</summary>
    void Finished(RunSummary summary);
}
