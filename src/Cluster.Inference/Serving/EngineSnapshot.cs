using Cluster.Inference.Generation;

namespace Cluster.Inference.Serving;

/// <summary>
/// What an engine is doing and has done, by the meaning of vLLM's metrics, whose names stand in brackets. A record and not instruments
/// of System.Diagnostics.Metrics: it travels to whoever chooses among engines, adds up over them, and is shown under this project's
/// names and under vLLM's, which OpenTelemetry's instruments cannot bear (they hold a colon).
/// </summary>
public sealed record EngineSnapshot
{
    /// <summary>Whether the model works; once it has failed, the engine is of no use.</summary>
    public bool Healthy { get; init; }

    /// <summary>Why the engine takes no requests (it failed, or it is to end); null if it does.</summary>
    public string? Unavailable { get; init; }

    /// <summary>Requests that hold blocks [num_requests_running].</summary>
    public int Running { get; init; }

    /// <summary>Requests that wait, preempted ones included [num_requests_waiting].</summary>
    public int Waiting { get; init; }

    /// <summary>Blocks of the cache.</summary>
    public int Blocks { get; init; }

    /// <summary>Blocks that running requests hold.</summary>
    public int HeldBlocks { get; init; }

    /// <summary>Blocks that nobody holds and that remember a prefix.</summary>
    public int CachedBlocks { get; init; }

    /// <summary>Blocks whose prefix was forgotten to make room.</summary>
    public long EvictedBlocks { get; init; }

    /// <summary>Share of the blocks that are held, 0–1 [kv_cache_usage_perc].</summary>
    public double CacheUse => (double)HeldBlocks / Blocks;

    /// <summary>Tokens that were looked for in the cache when their requests began [prefix_cache_queries].</summary>
    public long PrefixQueriedTokens { get; init; }

    /// <summary>Those of them that were found [prefix_cache_hits].</summary>
    public long PrefixHitTokens { get; init; }

    /// <summary>How often a request's blocks were taken away for an older one [num_preemptions].</summary>
    public long Preemptions { get; init; }

    /// <summary>Tokens of the prompts whose first token was drawn [prompt_tokens].</summary>
    public long PromptTokens { get; init; }

    /// <summary>Tokens drawn [generation_tokens].</summary>
    public long GenerationTokens { get; init; }

    /// <summary>Replies that ended, by reason [request_success by finished_reason].</summary>
    public required IReadOnlyDictionary<FinishReason, long> Finished { get; init; }

    /// <summary>From arrival to the first step [request_queue_time_seconds].</summary>
    public required HistogramSnapshot QueueTime { get; init; }

    /// <summary>From arrival to the first token [time_to_first_token_seconds].</summary>
    public required HistogramSnapshot TimeToFirstToken { get; init; }

    /// <summary>From each token to the next one of its reply [inter_token_latency_seconds].</summary>
    public required HistogramSnapshot InterTokenLatency { get; init; }

    /// <summary>From arrival to the end of replies that ended by themselves: stop, length or context [e2e_request_latency_seconds].</summary>
    public required HistogramSnapshot EndToEndLatency { get; init; }
}
