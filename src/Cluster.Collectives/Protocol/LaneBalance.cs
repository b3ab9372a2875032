// Enters: how long each member's lanes took, step by step. Leaves: who computes how many lanes from the next step on.
// Does not know: clocks, who measured, gradients; no number of the training depends on it.
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Protocol;

/// <summary>How lanes follow speeds. Every figure holds lanes back from moving to and fro.</summary>
public sealed record LaneBalanceOptions
{
    /// <summary>Steps whose median is a member's speed, odd, 1 to 99: one that is interrupted in fewer than half of them is not taken for a slow one.</summary>
    public int Window { get; init; } = 15;

    /// <summary>
    /// Share of the longest member's time that another division must save, 0 to below 1; also by how much a speed must differ from what it
    /// was when the present division was made, before there is another.
    /// </summary>
    public double Margin { get; init; } = 0.1;

    /// <summary>Steps in a row in which there must be such a division, at least 1.</summary>
    public int Persistence { get; init; } = 4;

    /// <summary>Steps after a change in which there is no other; twice the window, so that the next one rests on what was seen since.</summary>
    public int Rest { get; init; } = 30;
}

/// <summary>
/// Moves lanes from slow members to fast ones. A member's speed is the median of its seconds per lane over the last steps. The best
/// division for these speeds (<see cref="LaneAssignment.Fastest"/>) is taken where it saves a margin over the present one in several steps
/// in a row. Then there is none for a while, nor as long as every speed is what it was then, give or take the margin: with speeds that
/// stay as they are lanes move at most once, however the noise falls, for seconds per lane do not depend on how many lanes a member has.
/// A member that recovers gets its lanes back in the same way. Pure: time is handed in.
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
        foreach (var speed in _speeds.Values)
            speed.ForgetDivision();
        if (Better(even, members) is not { } better)
            return even;
        Made();
        return better;
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
        Made();
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

    private void Made()
    {
        foreach (var speed in _speeds.Values)
            speed.KeepForDivision();
    }

    /// <summary>
    /// Seconds per lane of each; who is not known yet is taken to be like the median of the others. Null where nobody has another speed
    /// than when the present division was made.
    /// </summary>
    private double[]? Speeds(Roster members)
    {
        var seconds = new double[members.Count];
        var (known, isNews) = (0, false);
        for (var place = 0; place < seconds.Length; place++)
        {
            if (_speeds.GetValueOrDefault(members[place].Id) is not { Median: { } median } speed)
                continue;
            seconds[place] = median;
            known++;
            isNews |= speed.HasChanged(_options.Margin);
        }

        if (!isNews)
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
        private double? _atDivision;

        /// <summary>Null until the window is full.</summary>
        public double? Median { get; private set; }

        public void KeepForDivision() => _atDivision = Median;

        public void ForgetDivision() => _atDivision = null;

        /// <summary>Since the present division was made; also true where there was none, or it was made without knowing this one.</summary>
        public bool HasChanged(double margin) => _atDivision is not { } before || Math.Abs(Median!.Value - before) > margin * before;

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
