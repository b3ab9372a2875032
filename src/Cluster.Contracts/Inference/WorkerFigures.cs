using Orleans;

namespace Cluster.Contracts.Inference;

/// <summary>What a worker's engines are doing, and what they have done since the worker began, those that are gone included.</summary>
[GenerateSerializer, Immutable]
public sealed record WorkerFigures
{
    /// <summary>Requests that hold blocks.</summary>
    [Id(0)]
    public int Running { get; init; }

    /// <summary>Requests that wait.</summary>
    [Id(1)]
    public int Waiting { get; init; }

    /// <summary>Blocks of the caches.</summary>
    [Id(2)]
    public int Blocks { get; init; }

    /// <summary>Blocks that requests hold.</summary>
    [Id(3)]
    public int HeldBlocks { get; init; }

    /// <summary>Share of the blocks that are held, 0–1.</summary>
    public double CacheUse => Blocks == 0 ? 0 : (double)HeldBlocks / Blocks;

    /// <summary>Tokens that were looked for in the cache when their requests began.</summary>
    [Id(4)]
    public long PrefixQueriedTokens { get; init; }

    /// <summary>Those of them that were found.</summary>
    [Id(5)]
    public long PrefixHitTokens { get; init; }

    /// <summary>How often a request's blocks were taken away for an older one.</summary>
    [Id(6)]
    public long Preemptions { get; init; }

    /// <summary>Tokens of the prompts whose first token was drawn.</summary>
    [Id(7)]
    public long PromptTokens { get; init; }

    /// <summary>Tokens drawn.</summary>
    [Id(8)]
    public long GenerationTokens { get; init; }

    /// <summary>Replies that ended, by reason: stop, length, context, cancelled, deadline, failed.</summary>
    [Id(9)]
    public IReadOnlyDictionary<string, long> Finished { get; init; } = new Dictionary<string, long>();

    /// <summary>From arrival to the first step.</summary>
    [Id(10)]
    public LatencyFigures QueueTime { get; init; } = LatencyFigures.None;

    /// <summary>From arrival to the first token.</summary>
    [Id(11)]
    public LatencyFigures TimeToFirstToken { get; init; } = LatencyFigures.None;

    /// <summary>From each token to the next one of its reply.</summary>
    [Id(12)]
    public LatencyFigures InterTokenLatency { get; init; } = LatencyFigures.None;

    /// <summary>From arrival to the end of replies that ended by themselves.</summary>
    [Id(13)]
    public LatencyFigures EndToEndLatency { get; init; } = LatencyFigures.None;
}

/// <summary>Times in seconds, counted by size.</summary>
/// <param name="Bounds">Upper bounds in seconds, rising.</param>
/// <param name="Counts">How many were at most each bound and above the one before; the last count is of those above all. Empty like the bounds if there are none.</param>
/// <param name="Sum">Their sum in seconds.</param>
[GenerateSerializer, Immutable]
public sealed record LatencyFigures(
    [property: Id(0)] IReadOnlyList<double> Bounds, [property: Id(1)] IReadOnlyList<long> Counts, [property: Id(2)] double Sum)
{
    /// <summary>No times.</summary>
    public static LatencyFigures None { get; } = new([], [], 0);
}
