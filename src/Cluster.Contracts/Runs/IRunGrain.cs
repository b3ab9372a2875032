using Orleans;
using Orleans.Concurrency;

namespace Cluster.Contracts.Runs;

/// <summary>What the world may see of a run while it is worked on. Key: the run's name.</summary>
[Alias("Cluster.Runs.Run")]
public interface IRunGrain : IGrainWithStringKey
{
    /// <summary>Says where the run is; replaces what was said before.</summary>
    [Alias("Report")]
    Task ReportAsync(RunStatus status);

    /// <summary>Adds lines of metrics.jsonl.</summary>
    [Alias("AppendMetrics")]
    Task AppendMetricsAsync(IReadOnlyList<string> lines);

    /// <summary>Adds a line of samples.jsonl.</summary>
    [Alias("AppendSample")]
    Task AppendSampleAsync(string line);

    /// <summary>Where the run is, or null if nobody has said.</summary>
    [Alias("GetStatus"), AlwaysInterleave]
    Task<RunStatus?> GetStatusAsync();

    /// <summary>Lines of metrics.jsonl from a place on, at most 5,000 at a time.</summary>
    [Alias("GetMetrics"), AlwaysInterleave]
    Task<RunLines> GetMetricsAsync(long after);

    /// <summary>Lines of samples.jsonl from a place on, at most 500 at a time.</summary>
    [Alias("GetSamples"), AlwaysInterleave]
    Task<RunLines> GetSamplesAsync(long after);
}

/// <summary>The runs that were reported in this cluster's life. One grain; its key is <see cref="Key"/>.</summary>
[Alias("Cluster.Runs.Index")]
public interface IRunIndexGrain : IGrainWithStringKey
{
    /// <summary>The key.</summary>
    const string Key = "runs";

    /// <summary>Adds a run.</summary>
    [Alias("Add")]
    Task AddAsync(string run);

    /// <summary>Their names, the newest first.</summary>
    [Alias("List"), AlwaysInterleave]
    Task<IReadOnlyList<string>> ListAsync();
}

/// <summary>Where a run is.</summary>
/// <param name="Run">Its name.</param>
/// <param name="State">running, paused, done, cancelled or failed.</param>
/// <param name="Stage">The stage at hand.</param>
/// <param name="Fraction">Share of the stage done, 0–1.</param>
/// <param name="Message">One line about it.</param>
/// <param name="Parameters">Trained values, 0 before they are known.</param>
/// <param name="TotalSteps">Steps of the training stage at hand, 0 outside one.</param>
[GenerateSerializer, Immutable]
public sealed record RunStatus(
    [property: Id(0)] string Run, [property: Id(1)] string State, [property: Id(2)] string Stage, [property: Id(3)] double Fraction,
    [property: Id(4)] string Message, [property: Id(5)] long Parameters, [property: Id(6)] long TotalSteps);

/// <summary>A stretch of lines.</summary>
/// <param name="Lines">JSON, a line each.</param>
/// <param name="Next">Where the next stretch begins.</param>
[GenerateSerializer, Immutable]
public sealed record RunLines([property: Id(0)] IReadOnlyList<string> Lines, [property: Id(1)] long Next);
