using Cluster.Data.Corpus;

namespace Cluster.Data.Dialogues;

/// <summary>Chooses the questions that a finished model is shown with: held-out conversations in, a few of different groups out.</summary>
public static class HeldOutQuestions
{
    /// <summary>
    /// The first <paramref name="count"/> in this order: groups below System before others, groups nearer the namespace's root first (what
    /// readers know), then by hash. One conversation per group, picked by hash; fewer than
    /// <paramref name="count"/> where there are fewer groups.
    /// </summary>
    public static IReadOnlyList<Conversation> Choose(IReadOnlyList<Conversation> test, int count)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        return [.. test
            .GroupBy(c => c.Group, StringComparer.Ordinal)
            .OrderByDescending(g => g.Key.StartsWith("System.", StringComparison.Ordinal))
            .ThenBy(g => g.Key.AsSpan().Count('.'))
            .ThenBy(g => StableHash.Of64("question\n" + g.Key))
            .ThenBy(g => g.Key, StringComparer.Ordinal)
            .Take(count)
            .Select(g => g.ElementAt((int)(StableHash.Of64("pick\n" + g.Key) % (ulong)g.Count())))];
    }
}
