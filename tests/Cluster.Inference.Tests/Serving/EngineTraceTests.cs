using System.Diagnostics;
using Cluster.Inference.Scheduling;
using Cluster.Inference.Serving;

namespace Cluster.Inference.Tests.Serving;

public sealed class EngineTraceTests : IDisposable
{
    private static readonly ActivitySource s_callers = new("Cluster.Inference.Tests");
    private readonly List<Activity> _ended = [];
    private readonly ActivityListener _listener;

    public EngineTraceTests()
    {
        _listener = new ActivityListener
        {
            ShouldListenTo = source => source == s_callers || source.Name == EngineTrace.SourceName,
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

    [Fact]
    public void Steps_OfTracedRequests_AreLinkedBothWaysInPowersOfTwo()
    {
        using var engine = new InferenceEngine(TestModels.Decoder(TestModels.Small), new Words(80), new SchedulerOptions { MaxRunning = 8, TokenBudget = 64 }, null, ownThread: false)
        {
            TraceTags = [new("cluster.weights.sha256", "abc")],
        };
        var request = new InferenceRequest { Prompt = [1, 2, 3, 4, 5], Options = new() { MaxTokens = 10 } };
        using var first = s_callers.StartActivity("first")!;
        engine.Submit(request);
        Activity.Current = null;
        using var second = s_callers.StartActivity("second")!;
        engine.Submit(request);
        Activity.Current = null;
        // Nobody's: computed with them, and in no trace.
        engine.Submit(request);

        while (engine.Step())
        {
        }

        List<Activity> steps;
        lock (_ended)
            steps = [.. _ended.Where(activity => activity.OperationName == EngineTrace.StepName && activity.Links.Any(link => link.Context == first.Context))];
        Assert.Equal([1L, 2L, 4L, 8L], steps.Select(step => step.GetTagItem("cluster.engine.step")));
        foreach (var step in steps)
        {
            Assert.Equal([first.Context, second.Context], step.Links.Select(link => link.Context));
            Assert.Equal("abc", step.GetTagItem("cluster.weights.sha256"));
            Assert.NotEqual(first.TraceId, step.TraceId);
            Assert.Equal(3, (int)step.GetTagItem("cluster.batch.decodes")! + (int)step.GetTagItem("cluster.batch.prefills")!);
        }

        Assert.Equal(steps.Select(step => step.Context), first.Links.Select(link => link.Context));
        Assert.Equal(steps.Select(step => step.Context), second.Links.Select(link => link.Context));
    }

    [Fact]
    public void Steps_NobodyTraced_NoSpans()
    {
        using var engine = new InferenceEngine(TestModels.Decoder(TestModels.Small), new Words(80), new SchedulerOptions { MaxRunning = 8, TokenBudget = 64 }, null, ownThread: false)
        {
            TraceTags = [new("cluster.weights.sha256", "untraced")],
        };
        engine.Submit(new InferenceRequest { Prompt = [1, 2, 3], Options = new() { MaxTokens = 5 } });

        while (engine.Step())
        {
        }

        lock (_ended)
            Assert.DoesNotContain(_ended, activity => activity.GetTagItem("cluster.weights.sha256") as string == "untraced");
    }
}
