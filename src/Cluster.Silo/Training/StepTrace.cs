// Enters: what a replica's compute thread is at. Leaves: spans of some of its steps, with the phases below them.
// Does not know: who collects spans, what a phase computes.
using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using Cluster.Collectives.Protocol;

namespace Cluster.Silo.Training;

/// <summary>
/// One step in so many becomes a trace. Its id is a function of run, stage, step and generation: the spans of all replicas of the step,
/// in whatever process, are in one trace without a word between them. All members are the compute thread's.
/// </summary>
/// <param name="job">Run and stage: run/stage.</param>
/// <param name="replica">The replica's name among those of the stage.</param>
/// <param name="every">Steps from one trace to the next, 1 or more.</param>
internal sealed class StepTrace(string job, string replica, int every)
{
    /// <summary>Name of the source.</summary>
    public const string SourceName = "Cluster.Training";

    /// <summary>Name of a step's span.</summary>
    public const string StepName = "training.step";

    private static readonly ActivitySource s_source = new(SourceName);
    private Activity? _step, _phase;

    /// <summary>A step begins, or begins again in another generation.</summary>
    public void Begin(BeginStep begin)
    {
        End("abandoned");
        if (begin.Step % every != 0 || !s_source.HasListeners())
            return;
        var (run, stage) = RecentSeries<StageTimes>.Of(job);
        _step = s_source.StartActivity(StepName, ActivityKind.Internal, Of(job, begin.Step, begin.Term, begin.Generation),
        [
            new("cluster.run", run), new("cluster.stage", stage), new("cluster.replica", replica), new("cluster.step", begin.Step),
            new("cluster.term", begin.Term), new("cluster.generation", begin.Generation),
        ]);
    }

    /// <summary>Another part of the step begins, and the one before ends.</summary>
    /// <param name="name">Of a fixed set: data, compute, reduce, wait, optimizer.</param>
    public void Phase(string name)
    {
        if (_step is null)
            return;
        _phase?.Stop();
        _phase = s_source.StartActivity($"training.{name}", ActivityKind.Internal, _step.Context);
    }

    /// <summary>The step is over for this replica.</summary>
    /// <param name="unfinished">Why, if it was not applied.</param>
    public void End(string? unfinished = null)
    {
        if (_step is null)
            return;
        _phase?.Stop();
        if (unfinished is not null)
            _step.SetStatus(ActivityStatusCode.Error, unfinished);
        _step.Stop();
        (_step, _phase) = (null, null);
        Activity.Current = null;
    }

    /// <summary>The trace of a step: what all its replicas come to by themselves.</summary>
    internal static ActivityContext Of(string job, long step, long term, long generation)
    {
        Span<byte> hash = stackalloc byte[SHA256.HashSizeInBytes];
        SHA256.HashData(Encoding.UTF8.GetBytes(FormattableString.Invariant($"{job}\n{step}\n{term}\n{generation}")), hash);
        return new ActivityContext(
            ActivityTraceId.CreateFromBytes(hash[..16]), ActivitySpanId.CreateFromBytes(hash[16..24]), ActivityTraceFlags.Recorded, isRemote: true);
    }
}
