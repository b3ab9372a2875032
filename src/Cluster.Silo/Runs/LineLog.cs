using Cluster.Contracts.Runs;

namespace Cluster.Silo.Runs;

/// <summary>
/// Lines in memory, at most a given number of them. A line's place is the number of lines added before it and never changes, so that a
/// reader who was told where to go on is right also after older lines were thinned out.
/// </summary>
/// <param name="limit">Most lines to keep, at least 2.</param>
/// <param name="isPrecious">Lines that are thinned out only if keeping them alone would go beyond the limit; null for none.</param>
public sealed class LineLog(int limit, Func<string, bool>? isPrecious = null)
{
    private readonly List<(long Place, string Line)> _kept = [];

    /// <summary>Lines added so far; the place of the next one.</summary>
    public long Added { get; private set; }

    /// <summary>Lines still here.</summary>
    public int Kept => _kept.Count;

    /// <summary>Adds a line; beyond the limit, keeps only every second one of those before it.</summary>
    public void Add(string line)
    {
        if (_kept.Count == limit)
            Thin();
        _kept.Add((Added++, line));
    }

    /// <summary>The lines at a place and after it.</summary>
    /// <param name="after">Place of the first line wanted, at least 0. Beyond the end, the answer's <c>Next</c> is the end.</param>
    /// <param name="most">Most lines to return, at least 1.</param>
    public RunLines From(long after, int most)
    {
        int low = 0, high = _kept.Count;
        while (low < high)
        {
            var middle = (low + high) >>> 1;
            (low, high) = _kept[middle].Place < after ? (middle + 1, high) : (low, middle);
        }

        var count = Math.Min(most, _kept.Count - low);
        var next = low + count < _kept.Count ? _kept[low + count].Place : Added;
        return new RunLines([.. _kept.GetRange(low, count).Select(kept => kept.Line)], next);
    }

    private void Thin()
    {
        if (isPrecious is not null)
            KeepEverySecond(kept => !isPrecious(kept.Line));
        if (_kept.Count > limit / 2 + limit / 4)
            KeepEverySecond(_ => true);
    }

    private void KeepEverySecond(Func<(long Place, string Line), bool> mayGo)
    {
        var seen = 0;
        _kept.RemoveAll(kept => mayGo(kept) && seen++ % 2 == 1);
    }
}
