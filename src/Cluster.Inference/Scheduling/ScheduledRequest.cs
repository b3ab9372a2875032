using System.Runtime.InteropServices;
using Cluster.Inference.Cache;

namespace Cluster.Inference.Scheduling;

/// <summary>One reply under way, as the scheduler sees it.</summary>
public sealed class ScheduledRequest
{
    private readonly List<int> _ids;

    internal ScheduledRequest(long arrival, ReadOnlySpan<int> prompt, ReadOnlySpan<int> emitted, long arrived, TimeSpan? timeout, ScheduledRequest? leader,
        bool whole)
    {
        Whole = whole;
        (Arrival, PromptLength, Arrived, Timeout, Leader) = (arrival, prompt.Length, arrived, timeout, leader);
        _ids = [.. prompt, .. emitted];
    }

    /// <summary>Place in the order of arrival.</summary>
    public long Arrival { get; }

    /// <summary>Tokens of the prompt: those that prefill computes.</summary>
    public int PromptLength { get; }

    /// <summary>Prompt and reply so far. Valid until the next token.</summary>
    public ReadOnlySpan<int> Ids => CollectionsMarshal.AsSpan(_ids);

    /// <summary>Whether all of the prompt is computed, found blocks or not: its hidden states are wanted.</summary>
    public bool Whole { get; }

    /// <summary>Where the request is.</summary>
    public RequestState State { get; internal set; }

    /// <summary>The tokens whose keys and values are in the cache; null unless running.</summary>
    public DecodeSequence? Sequence { get; internal set; }

    /// <summary>How often its blocks were taken away.</summary>
    public int Preemptions { get; internal set; }

    /// <summary>Timestamp of its arrival.</summary>
    internal long Arrived { get; }

    internal TimeSpan? Timeout { get; }

    /// <summary>Another request of the same prompt that comes first, so that this one finds the prompt's blocks.</summary>
    internal ScheduledRequest? Leader { get; }

    /// <summary>Whether the prompt's keys and values were in the cache once.</summary>
    internal bool PromptSeen { get; set; }

    internal void Append(int id) => _ids.Add(id);
}

/// <summary>Where a request is.</summary>
public enum RequestState
{
    /// <summary>It holds no blocks: it has not begun, or it was preempted.</summary>
    Waiting,

    /// <summary>It holds blocks and takes part in steps.</summary>
    Running,

    /// <summary>It is over and holds nothing.</summary>
    Ended,
}
