using System.Diagnostics;
using Cluster.ServiceDefaults;
using OpenTelemetry.Trace;

namespace Cluster.Silo.Tests.Hosting;

public class TraceSamplerTests
{
    [Theory]
    [InlineData("Microsoft.AspNetCore.Hosting.HttpRequestIn", null, true)]
    [InlineData("training.step", null, true)]
    [InlineData("IAllReduceGrain/ReadyAsync", null, false)]
    [InlineData("IInferenceWorkerGrain/SubmitAsync", ActivityTraceFlags.Recorded, true)]
    [InlineData("inference.request", ActivityTraceFlags.None, false)]
    public void ShouldSample_WhatSomebodyAskedForAndWhatBelongsToIt(string name, ActivityTraceFlags? parent, bool expected)
    {
        var context = parent is { } flags ? new ActivityContext(ActivityTraceId.CreateRandom(), ActivitySpanId.CreateRandom(), flags) : default;

        var decision = new TraceSampler().ShouldSample(new SamplingParameters(context, ActivityTraceId.CreateRandom(), name, ActivityKind.Internal)).Decision;

        Assert.Equal(expected ? SamplingDecision.RecordAndSample : SamplingDecision.Drop, decision);
    }
}
