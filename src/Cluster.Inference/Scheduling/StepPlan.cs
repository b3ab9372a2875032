namespace Cluster.Inference.Scheduling;

/// <summary>What to compute in one step: first the decodes, together, then the prefills, one after the other. Valid until the next plan.</summary>
public sealed class StepPlan
{
    internal List<DecodeWork> DecodeList { get; } = [];

    internal List<PrefillWork> PrefillList { get; } = [];

    internal List<ScheduledRequest> ExpiredList { get; } = [];

    /// <summary>One token each of several sequences.</summary>
    public IReadOnlyList<DecodeWork> Decodes => DecodeList;

    /// <summary>Pieces of prompts.</summary>
    public IReadOnlyList<PrefillWork> Prefills => PrefillList;

    /// <summary>Requests that ended because their time is over; their blocks are given back already.</summary>
    public IReadOnlyList<ScheduledRequest> Expired => ExpiredList;

    /// <summary>Whether there is nothing to compute.</summary>
    public bool IsEmpty => DecodeList.Count == 0 && PrefillList.Count == 0;

    internal void Clear()
    {
        DecodeList.Clear();
        PrefillList.Clear();
        ExpiredList.Clear();
    }
}

/// <summary>One token of a reply whose keys and values are to be computed by decode.</summary>
/// <param name="Request">Its sequence ends before the token and has room for it.</param>
/// <param name="Id">The token.</param>
/// <param name="Samples">Whether the reply's next token is drawn from the logits; if not, it is known, and the token is replayed.</param>
public readonly record struct DecodeWork(ScheduledRequest Request, int Id, bool Samples);

/// <summary>Some tokens of a prompt.</summary>
/// <param name="Request">Its sequence ends before them and has room for them.</param>
/// <param name="Start">Position of the first: a multiple of the backend's chunk, or past what prefill computes in its own way.</param>
/// <param name="Count">Their number: they end at a multiple of the chunk or with the prompt.</param>
/// <param name="Samples">Whether the reply's first token is drawn from the last one's logits.</param>
public readonly record struct PrefillWork(ScheduledRequest Request, int Start, int Count, bool Samples)
{
    /// <summary>The tokens. Valid until the request's next token.</summary>
    public ReadOnlySpan<int> Ids => Request.Ids.Slice(Start, Count);
}
