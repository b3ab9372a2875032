namespace Cluster.Data.Tokens;

/// <summary>How often each piece of some documents occurs: in memory, or in files where it does not fit. What a vocabulary is learnt from.</summary>
public sealed class CountedPieces : IDisposable
{
    private readonly PieceCounter[] _counters;

    /// <param name="counters">Whose files they are.</param>
    /// <param name="table">All of it, where it fits.</param>
    internal CountedPieces(PieceCounter[] counters, PieceTable? table) => (_counters, Table) = (counters, table);

    internal PieceTable? Table { get; }

    internal IReadOnlyList<string> Runs => [.. _counters.SelectMany(counter => counter.Runs)];

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var counter in _counters)
            counter.Dispose();
    }
}
