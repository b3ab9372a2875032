using OpenTelemetry.Trace;

namespace Cluster.ServiceDefaults;

/// <summary>
/// Which traces are kept where <c>OTEL_TRACES_SAMPLER</c> names no other: all that somebody asked for (a request, a step that is shown), and
/// none that begins with a call between grains. Those are the cluster's own talk, some per step and silo, for as long as it trains.
/// </summary>
public sealed class TraceSampler : Sampler
{
    /// <inheritdoc/>
    public override SamplingResult ShouldSample(in SamplingParameters samplingParameters)
    {
        var parent = samplingParameters.ParentContext;
        if (parent.TraceId != default)
            return new SamplingResult((parent.TraceFlags & System.Diagnostics.ActivityTraceFlags.Recorded) != 0);
        // Orleans names a call's span INTERFACE/METHOD; no other source of this program has a stroke in a name before its span begins.
        return new SamplingResult(!samplingParameters.Name.Contains('/', StringComparison.Ordinal));
    }
}
