// Enters: how long each member's lanes took, step by step. Leaves: who computes how many lanes from the next step on.
// Does not know: clocks, who measured, gradients; no number of the training depends on it.
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Protocol;

/// <summary>How lanes follow speeds. Every figure holds lanes back from moving to and fro.</summary>
public sealed record LaneBalanceOptions
{
    /// <summary>Steps whose median is a member's speed, odd, 1 to 99: one that is interrupted in fewer than half of them is not taken for a slow one.</summary>
    public int Window { get; init; } = 15;

    /// <summary>Share of the longest member's time that another division must save, 0 to below 1.</summary>
    public double Margin { get; init; } = 0.1;

    /// <summary>Steps in a row in which there must be such a division, at least 1.</summary>
    public int Persistence { get; init; } = 4;

    /// <summary>Steps after a change in which there is no other; twice the window, so that the next one rests on what was seen since.</summary>
    public int Rest { get; init; } = 30;
}

/// <summary>
/// Moves lanes from slow members to fast ones. A member's speed is the median of its seconds per lane over the last steps. The best
/// division for these speeds (<see cref="LaneAssignment.Fastest"/>) is taken where it saves a margin over the present one in several steps
/// in a row, and then there is none for a while. Seconds per lane do not depend on how many lanes a member has, so with speeds that stay as
/// they are lanes move at most once: from the best division another one saves the margin m only when speeds have changed by m / (2 - m) at
/// least, 5 % for 10 %, some up and some down. A member that recovers gets its lanes back in the same way. Pure: time is handed in.
/// </summary>
public sealed class LaneBalance
{
    private readonly LaneBalanceOptions _options;
    private readonly Dictionary<string, Speed> _speeds = new(StringComparer.Ordinal);
    private int _better, _resting;

    /// <param name="options">Or null for the usual figures.</param>
    public LaneBalance(LaneBalanceOptions? options = null)
    {
        _options = options ?? new LaneBalanceOptions();
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.Window, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThan(_options.Window, 99, nameof(options));
        ArgumentOutOfRangeException.ThrowIfEqual(_options.Window % 2, 0, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(_options.Margin, nameof(options));
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(_options.Margin, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfLessThan(_options.Persistence, 1, nameof(options));
        ArgumentOutOfRangeException.ThrowIfNegative(_options.Rest, nameof(options));
    }

    /// <summary>Lanes that have changed hands by <see cref="Improve"/>.</summary>
    public long MovedLanes { get; private set; }

    /// <summary>How often <see cref="Improve"/> has divided the lanes anew.</summary>
    public long Changes { get; private set; }

    /// <summary>A member has computed lanes of a step.</summary>
    /// <param name="member">Its name.</param>
    /// <param name="secondsPerLane">Mean over those lanes, without waiting for anyone; anything that is no time counts for nothing.</param>
    public void Observe(string member, double secondsPerLane)
    {
        if (!(secondsPerLane > 0 && double.IsFinite(secondsPerLane)))
            return;
        if (!_speeds.TryGetValue(member, out var speed))
            _speeds[member] = speed = new Speed(_options.Window);
        speed.Add(secondsPerLane);
    }

    /// <summary>A member's seconds per lane; null until it has been seen for a window of steps.</summary>
    public double? SecondsPerLane(string member) => _speeds.GetValueOrDefault(member)?.Median;

    /// <summary>
    /// The division where members have come or gone: even, unless the best one for what is known of their speeds saves the margin.
    /// </summary>
    /// <param name="lanes">Number of lanes.</param>
    /// <param name="members">Everyone, in lane order; those who are not among them are forgotten.</param>
    public LaneAssignment Divide(int lanes, Roster members)
    {
        (_better, _resting) = (0, 0);
        if (_speeds.Count > members.Count)
        {
            foreach (var gone in _speeds.Keys.Where(id => members.PlaceOf(id) < 0).ToArray())
                _speeds.Remove(gone);
        }

        var even = LaneAssignment.Even(lanes, members.Count);
        return Better(even, members) ?? even;
    }

    /// <summary>The division of the next step where it is another one; to be asked once in every step.</summary>
    /// <param name="present">The division of the last step.</param>
    /// <param name="members">Everyone, in lane order.</param>
    public LaneAssignment? Improve(LaneAssignment present, Roster members)
    {
        if (_resting > 0)
        {
            _resting--;
            return null;
        }

        if (Better(present, members) is not { } better)
        {
            _better = 0;
            return null;
        }

        if (++_better < _options.Persistence)
            return null;
        (_better, _resting) = (0, _options.Rest);
        MovedLanes += present.LanesMovedTo(better);
        Changes++;
        return better;
    }

    /// <summary>The best division, or null where it does not save the margin over this one.</summary>
    private LaneAssignment? Better(LaneAssignment present, Roster members)
    {
        // With a lane for each there is no choice.
        if (members.Count < 2 || members.Count == present.Lanes || Speeds(members) is not { } seconds)
            return null;
        var enough = present.Longest(seconds) * (1 - _options.Margin);
        var rate = 0.0;
        foreach (var lane in seconds)
            rate += 1 / lane;
        // Not even lanes that could be split would do.
        if (present.Lanes / rate > enough)
            return null;
        var best = LaneAssignment.Fastest(present.Lanes, seconds);
        return best.Longest(seconds) <= enough ? best : null;
    }

    /// <summary>Seconds per lane of each; who is not known yet is taken to be like the median of the others. Null where nobody is known.</summary>
    private double[]? Speeds(Roster members)
    {
        var seconds = new double[members.Count];
        var known = 0;
        for (var place = 0; place < seconds.Length; place++)
        {
            seconds[place] = SecondsPerLane(members[place].Id) ?? 0;
            known += seconds[place] > 0 ? 1 : 0;
        }

        if (known == 0)
            return null;
        if (known == seconds.Length)
            return seconds;
        var sorted = seconds.Where(lane => lane > 0).Order().ToArray();
        foreach (ref var lane in seconds.AsSpan())
            lane = lane > 0 ? lane : sorted[(sorted.Length - 1) / 2];
        return seconds;
    }

    /// <summary>The last seconds per lane of a member.</summary>
    private sealed class Speed(int window)
    {
        private readonly double[] _last = new double[window];
        private int _count;

        /// <summary>Null until the window is full.</summary>
        public double? Median { get; private set; }

        public void Add(double seconds)
        {
            _last[_count++ % window] = seconds;
            if (_count < window)
                return;
            Span<double> sorted = stackalloc double[window];
            _last.CopyTo(sorted);
            sorted.Sort();
            Median = sorted[window / 2];
        }
    }
}
