using System.Diagnostics;
using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Silo.Training;

namespace Cluster.Silo.Tests.Training;

public sealed class StepTraceTests : IDisposable
{
    private readonly List<Activity> _ended = [];
    private readonly ActivityListener _listener;

    public StepTraceTests()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source.Name == StepTrace.SourceName,
            Sample = (ref ActivityCreationOptions<ActivityContext> _) => ActivitySamplingResult.AllDataAndRecorded,
            ActivityStopped = activity =>
            {
                lock (_ended)
                    _ended.Add(activity);
            },
        };
        ActivitySource.AddActivityListener(_listener);
    }

    public void Dispose() => _listener.Dispose();

    /// <summary>Of this test's own job: others train beside it.</summary>
    private List<Activity> Ended()
    {
        lock (_ended)
        {
            var steps = _ended.Where(activity => activity.GetTagItem("cluster.run") as string == "traced").ToList();
            return [.. _ended.Where(activity => steps.Contains(activity) || steps.Exists(step => step.SpanId == activity.ParentSpanId))];
        }
    }

    [Fact]
    public void Step_OneInSoMany_OneTraceOverReplicasWithPhasesBelow()
    {
        StepTrace first = new("traced/pretraining", "a/0", every: 10), second = new("traced/pretraining", "b/0", every: 10);
        foreach (var trace in (StepTrace[])[first, second])
        {
            foreach (var step in (long[])[19, 20, 21])
            {
                trace.Begin(At(step, generation: 3));
                trace.Phase("compute");
                trace.Phase("reduce");
                trace.End();
            }
        }

        var ended = Ended();
        var steps = ended.Where(activity => activity.OperationName == StepTrace.StepName).ToList();
        Assert.Equal(["a/0", "b/0"], steps.Select(activity => activity.GetTagItem("cluster.replica")));
        Assert.All(steps, activity => Assert.Equal(("traced", "pretraining", 20L, 3L), (
            activity.GetTagItem("cluster.run"), activity.GetTagItem("cluster.stage"), activity.GetTagItem("cluster.step"), activity.GetTagItem("cluster.generation"))));
        Assert.Single(steps.Select(activity => activity.TraceId).Distinct());
        Assert.Equal(StepTrace.Of("traced/pretraining", 20, 1, 3).TraceId, steps[0].TraceId);
        Assert.NotEqual(StepTrace.Of("traced/pretraining", 20, 1, 4).TraceId, steps[0].TraceId);
        foreach (var step in steps)
            Assert.Equal(["training.compute", "training.reduce"], ended.Where(activity => activity.ParentSpanId == step.SpanId).Select(activity => activity.OperationName));
        Assert.Null(Activity.Current);
    }

    [Fact]
    public void Begin_AgainInAnotherGeneration_FirstIsAbandoned()
    {
        var trace = new StepTrace("traced/pretraining", "a/0", every: 1);

        trace.Begin(At(5, generation: 1));
        trace.Begin(At(5, generation: 2));
        trace.End();

        Assert.Equal([(ActivityStatusCode.Error, 1L), (ActivityStatusCode.Unset, 2L)], Ended().Select(activity => (activity.Status, (long)activity.GetTagItem("cluster.generation")!)));
    }

    private static BeginStep At(long step, long generation) => new(1, generation, step, [], LaneAssignment.Even(1, 1), new CommitRecord(0, step, "", 0));
}
