using Cluster.Contracts.Inference;
using Cluster.Inference.Serving;

namespace Cluster.Silo.Inference;

/// <summary>Adds up what engines say of themselves.</summary>
internal static class EngineFigures
{
    /// <summary>An engine's figures as they travel.</summary>
    /// <param name="snapshot">The engine's.</param>
    /// <param name="ended">Whether it is gone: what it has done stays, what it was doing does not.</param>
    public static WorkerFigures Of(EngineSnapshot snapshot, bool ended = false) => new()
    {
        Running = ended ? 0 : snapshot.Running,
        Waiting = ended ? 0 : snapshot.Waiting,
        Blocks = ended ? 0 : snapshot.Blocks,
        HeldBlocks = ended ? 0 : snapshot.HeldBlocks,
        PrefixQueriedTokens = snapshot.PrefixQueriedTokens,
        PrefixHitTokens = snapshot.PrefixHitTokens,
        Preemptions = snapshot.Preemptions,
        PromptTokens = snapshot.PromptTokens,
        GenerationTokens = snapshot.GenerationTokens,
        Finished = snapshot.Finished.ToDictionary(pair => pair.Key.ToString().ToLowerInvariant(), pair => pair.Value, StringComparer.Ordinal),
        QueueTime = Of(snapshot.QueueTime),
        TimeToFirstToken = Of(snapshot.TimeToFirstToken),
        InterTokenLatency = Of(snapshot.InterTokenLatency),
        EndToEndLatency = Of(snapshot.EndToEndLatency),
    };

    /// <summary>The figures of both together.</summary>
    public static WorkerFigures Add(WorkerFigures a, WorkerFigures b) => new()
    {
        Running = a.Running + b.Running,
        Waiting = a.Waiting + b.Waiting,
        Blocks = a.Blocks + b.Blocks,
        HeldBlocks = a.HeldBlocks + b.HeldBlocks,
        PrefixQueriedTokens = a.PrefixQueriedTokens + b.PrefixQueriedTokens,
        PrefixHitTokens = a.PrefixHitTokens + b.PrefixHitTokens,
        Preemptions = a.Preemptions + b.Preemptions,
        PromptTokens = a.PromptTokens + b.PromptTokens,
        GenerationTokens = a.GenerationTokens + b.GenerationTokens,
        Finished = a.Finished.Keys.Union(b.Finished.Keys).ToDictionary(
            reason => reason, reason => a.Finished.GetValueOrDefault(reason) + b.Finished.GetValueOrDefault(reason), StringComparer.Ordinal),
        QueueTime = Add(a.QueueTime, b.QueueTime),
        TimeToFirstToken = Add(a.TimeToFirstToken, b.TimeToFirstToken),
        InterTokenLatency = Add(a.InterTokenLatency, b.InterTokenLatency),
        EndToEndLatency = Add(a.EndToEndLatency, b.EndToEndLatency),
    };

    private static LatencyFigures Of(HistogramSnapshot times) => new([.. HistogramSnapshot.Bounds], times.Counts, times.Sum);

    private static LatencyFigures Add(LatencyFigures a, LatencyFigures b) =>
        a.Counts.Count == 0 ? b : b.Counts.Count == 0 ? a : new LatencyFigures(a.Bounds, a.Counts.Zip(b.Counts, (x, y) => x + y).ToArray(), a.Sum + b.Sum);
}
