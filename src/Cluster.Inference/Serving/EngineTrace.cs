// Enters: plans of steps, and who of their requests is traced. Leaves: a span for some of the steps, linked with the requests in them.
// Does not know: who collects spans.
using System.Diagnostics;
using System.Numerics;
using Cluster.Inference.Scheduling;

namespace Cluster.Inference.Serving;

/// <summary>
/// Ties a request that is traced to the batches that it was computed in. A reply has a span for its first step, its second, its fourth and so
/// on: as many as the logarithm of its length, so that a trace stays readable and decoding stays as fast. A batch belongs to no one
/// request, so it is a trace of its own, and links lead both ways.
/// </summary>
/// <param name="tags">Of every span, such as the model and its weights.</param>
internal sealed class EngineTrace(IEnumerable<KeyValuePair<string, object?>> tags)
{
    /// <summary>Name of the source.</summary>
    public const string SourceName = "Cluster.Inference.Engine";

    /// <summary>Name of a step's span.</summary>
    public const string StepName = "inference.step";

    private static readonly ActivitySource s_source = new(SourceName);
    private readonly KeyValuePair<string, object?>[] _tags = [.. tags];
    private readonly List<Activity> _asked = [];
    private long _steps;

    /// <summary>The span of whoever asks now, if it is traced.</summary>
    public static Activity? Asking => Activity.Current is { Recorded: true } activity ? activity : null;

    /// <summary>A step begins.</summary>
    /// <param name="plan">What is computed in it.</param>
    /// <param name="jobOf">The job of one of its requests.</param>
    /// <returns>The span, to be disposed of at the step's end; null if it has none.</returns>
    public Activity? Begin(StepPlan plan, Func<ScheduledRequest, EngineJob> jobOf)
    {
        _steps++;
        if (plan.IsEmpty || !s_source.HasListeners())
            return null;
        _asked.Clear();
        foreach (var work in plan.Decodes)
            Add(jobOf(work.Request));
        foreach (var work in plan.Prefills)
            Add(jobOf(work.Request));
        if (_asked.Count == 0)
            return null;
        // Of no request's trace: the thread has none, and it must not take one from an earlier step.
        Activity.Current = null;
        var step = s_source.StartActivity(StepName, ActivityKind.Internal, parentContext: default, _tags, _asked.Select(activity => new ActivityLink(activity.Context)));
        if (step is null)
            return null;
        step.SetTag("cluster.engine.step", _steps);
        step.SetTag("cluster.batch.decodes", plan.Decodes.Count);
        step.SetTag("cluster.batch.prefills", plan.Prefills.Count);
        step.SetTag("cluster.batch.tokens", plan.Decodes.Count + plan.Prefills.Sum(work => work.Count));
        foreach (var activity in _asked)
            activity.AddLink(new ActivityLink(step.Context, new ActivityTagsCollection { ["cluster.engine.step"] = _steps }));
        return step;
    }

    private void Add(EngineJob job)
    {
        if (job.Trace is { } activity && BitOperations.IsPow2(++job.Steps) && !_asked.Contains(activity))
            _asked.Add(activity);
    }
}
