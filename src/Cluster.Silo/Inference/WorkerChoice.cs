using Cluster.Contracts.Inference;

namespace Cluster.Silo.Inference;

/// <summary>A worker as its pool knows it.</summary>
/// <param name="Key">Its key.</param>
/// <param name="Load">As it said last; null if it has said nothing yet.</param>
/// <param name="Assigned">Requests that were sent to it since then.</param>
internal readonly record struct Candidate(string Key, WorkerLoad? Load, int Assigned)
{
    /// <summary>Whether its model is loaded.</summary>
    public bool Ready => Load?.Ready ?? false;

    /// <summary>Requests that wait, as far as is known: each one sent since may.</summary>
    public int Waiting => (Load?.Waiting ?? 0) + (Load is { FreeBlocks: > 0 } ? 0 : Assigned);

    /// <summary>Blocks that no request holds, less one for each request sent since.</summary>
    public int FreeBlocks => Math.Max(0, (Load?.FreeBlocks ?? 0) - Assigned);
}

/// <summary>Which worker a request goes to.</summary>
internal static class WorkerChoice
{
    // As many more may wait where the prompt's beginning is in the cache: prefill saved against time in a queue.
    private const int MoreWaiting = 4;

    /// <summary>
    /// The worker that has the prompt's beginning, unless its queue is longer than the shortest by more than a few; else the one where
    /// the fewest wait, of those the one with the most free blocks, of those the first. Workers whose model is loaded come first.
    /// </summary>
    /// <param name="candidates">In the pool's order.</param>
    /// <param name="preferred">Key of the worker that a prompt with the same beginning went to last; null if none did.</param>
    /// <returns>A key; null where there are no candidates.</returns>
    public static string? Choose(IReadOnlyList<Candidate> candidates, string? preferred)
    {
        if (candidates.Count == 0)
            return null;
        var best = candidates.OrderByDescending(c => c.Ready).ThenBy(c => c.Waiting).ThenByDescending(c => c.FreeBlocks).First();
        foreach (var candidate in candidates)
        {
            if (candidate.Key == preferred && candidate.Ready && candidate.Waiting <= best.Waiting + MoreWaiting)
                return candidate.Key;
        }

        return best.Key;
    }
}
