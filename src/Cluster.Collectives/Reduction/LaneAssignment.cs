namespace Cluster.Collectives.Reduction;

/// <summary>
/// Which member computes which lanes: one contiguous range per member, in member order, together covering every lane once.
/// Members are positions here; who they are is the coordinator's knowledge.
/// </summary>
public sealed class LaneAssignment : IEquatable<LaneAssignment>
{
    private readonly LaneRange[] _ranges;

    /// <param name="ranges">One range per member, in lane order, without gaps, starting at lane 0; at least one lane in all.</param>
    public LaneAssignment(IEnumerable<LaneRange> ranges)
    {
        _ranges = ranges.ToArray();
        var next = 0;
        foreach (var range in _ranges)
        {
            if (range.Start != next || range.Count < 0)
                throw new ArgumentException($"Range {range.Start}+{range.Count} does not continue at lane {next}.", nameof(ranges));
            next = range.End;
        }

        ArgumentOutOfRangeException.ThrowIfLessThan(next, 1, nameof(ranges));
        Lanes = next;
    }

    /// <summary>Number of lanes.</summary>
    public int Lanes { get; }

    /// <summary>One range per member, in member order.</summary>
    public IReadOnlyList<LaneRange> Ranges => _ranges;

    /// <summary>The lanes of one member.</summary>
    public LaneRange this[int member] => _ranges[member];

    /// <summary>Sizes that differ by at most one, the larger ones first; members beyond the number of lanes idle.</summary>
    public static LaneAssignment Even(int lanes, int members)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lanes, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(members, 1);
        return new LaneAssignment(Enumerable.Range(0, members).Select(member =>
        {
            var (start, count) = EvenSplit.Part(lanes, members, member);
            return new LaneRange(start, count);
        }));
    }

    /// <summary>
    /// The assignment that is done first where members differ in speed: no other has a smaller longest time, lanes of a member × its
    /// seconds per lane. Lanes are alike, so only their numbers matter, and handing each next lane to whoever would be done with it first
    /// is exact (identical jobs on uniform machines; Graham et al., 1979); of two, to the one that has fewer. Every member has a lane where
    /// there are enough: who computes nothing shows no speed. What all such divisions have in common is handed out at once: n log n.
    /// </summary>
    /// <param name="lanes">Number of lanes.</param>
    /// <param name="secondsPerLane">Of each member, above 0 and finite.</param>
    public static LaneAssignment Fastest(int lanes, ReadOnlySpan<double> secondsPerLane)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(lanes, 1);
        ArgumentOutOfRangeException.ThrowIfZero(secondsPerLane.Length, nameof(secondsPerLane));
        var members = secondsPerLane.Length;
        var rate = 0.0;
        foreach (var seconds in secondsPerLane)
        {
            if (!(seconds > 0 && double.IsFinite(seconds)))
                throw new ArgumentOutOfRangeException(nameof(secondsPerLane), seconds, "A lane takes some time.");
            rate += 1 / seconds;
        }

        // Within this time all of them together cannot do more than the lanes beyond the first of each; a little less, for rounding.
        var least = lanes >= members ? 1 : 0;
        var common = (lanes - (least * members)) / rate * (1 - 1e-9);
        var counts = new int[members];
        var left = lanes;
        var next = new PriorityQueue<int, (double Done, int Lanes, int Member)>(members);
        for (var member = 0; member < members; member++)
        {
            counts[member] = Math.Max(least, (int)(common / secondsPerLane[member]));
            left -= counts[member];
            next.Enqueue(member, ((counts[member] + 1) * secondsPerLane[member], counts[member], member));
        }

        for (; left > 0; left--)
        {
            var member = next.Peek();
            counts[member]++;
            next.DequeueEnqueue(member, ((counts[member] + 1) * secondsPerLane[member], counts[member], member));
        }

        return InOrder(counts);
    }

    /// <summary>Ranges of these lengths, one after the other.</summary>
    public static LaneAssignment InOrder(IReadOnlyList<int> counts)
    {
        var ranges = new LaneRange[counts.Count];
        for (var (member, start) = (0, 0); member < ranges.Length; start += counts[member++])
            ranges[member] = new LaneRange(start, counts[member]);
        return new LaneAssignment(ranges);
    }

    /// <summary>
    /// The assignment of those who are left: they keep the lanes that they have, and the dead member's lanes go to its neighbours,
    /// the first half (rounded up) to the one before it and the rest to the one after; a member at an end has one neighbour. In the
    /// interrupted step survivors thus recompute nothing that they hold, and the lost lanes are computed by two at once (rule 14).
    /// </summary>
    /// <param name="previous">The assignment with the dead member in it; at least two members.</param>
    /// <param name="deadMember">Its position.</param>
    public static LaneAssignment Absorb(LaneAssignment previous, int deadMember)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(deadMember);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(deadMember, previous._ranges.Length);
        if (previous._ranges.Length == 1)
            throw new ArgumentException("The last member died: nobody is left to take its lanes.", nameof(deadMember));
        return Keeping(previous.Lanes, previous._ranges.Where((_, member) => member != deadMember).ToArray());
    }

    /// <summary>
    /// The assignment in which every member keeps the lanes that it holds and neighbours split the gaps as in <see cref="Absorb"/>.
    /// </summary>
    /// <param name="lanes">Number of lanes.</param>
    /// <param name="held">What each member holds, in member order. A range that overlaps an earlier member's, or reaches beyond the
    /// lanes, counts as empty: its member computes again. If nobody holds anything the division is even.</param>
    public static LaneAssignment Keeping(int lanes, IReadOnlyList<LaneRange> held)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(held.Count, 1, nameof(held));
        var kept = new LaneRange[held.Count];
        var end = 0;
        for (var member = 0; member < kept.Length; member++)
        {
            var valid = held[member].Start >= end && held[member].Count > 0 && held[member].End <= lanes;
            kept[member] = valid ? held[member] : default;
            end = Math.Max(end, kept[member].End);
        }

        if (end == 0)
            return Even(lanes, held.Count);

        // bounds[m] is where member m's range begins; the gap between the lanes of two neighbours is cut after its first half.
        // An idle member stands at the end of the gap that it is in, so that it takes a part of the lanes before it.
        var bounds = new int[kept.Length + 1];
        bounds[^1] = lanes;
        var right = lanes;
        for (var member = kept.Length - 1; member > 0; member--)
        {
            if (!kept[member].IsEmpty)
                right = kept[member].Start;
            var left = EndBefore(kept, member);
            bounds[member] = left + (right - left + 1) / 2;
            right = kept[member].IsEmpty ? bounds[member] : right;
        }

        return new LaneAssignment(Enumerable.Range(0, kept.Length).Select(m => new LaneRange(bounds[m], bounds[m + 1] - bounds[m])));
    }

    /// <summary>Seconds until the last member has computed its lanes.</summary>
    /// <param name="secondsPerLane">Of each member.</param>
    public double Longest(ReadOnlySpan<double> secondsPerLane)
    {
        var longest = 0.0;
        for (var member = 0; member < _ranges.Length; member++)
            longest = Math.Max(longest, _ranges[member].Count * secondsPerLane[member]);
        return longest;
    }

    /// <summary>Lanes that another member computes in <paramref name="other"/>, an assignment of the same lanes to the same members.</summary>
    public int LanesMovedTo(LaneAssignment other)
    {
        var moved = Lanes;
        for (var member = 0; member < _ranges.Length; member++)
            moved -= Math.Max(0, Math.Min(_ranges[member].End, other[member].End) - Math.Max(_ranges[member].Start, other[member].Start));
        return moved;
    }

    /// <inheritdoc/>
    public bool Equals(LaneAssignment? other) => other is not null && _ranges.AsSpan().SequenceEqual(other._ranges);

    /// <inheritdoc/>
    public override bool Equals(object? obj) => Equals(obj as LaneAssignment);

    /// <inheritdoc/>
    public override int GetHashCode() => _ranges.Aggregate(0, HashCode.Combine);

    /// <summary>"0+2 2+1 3+3": start and count of each member.</summary>
    public override string ToString() => string.Join(' ', _ranges.Select(range => $"{range.Start}+{range.Count}"));

    private static int EndBefore(LaneRange[] kept, int member)
    {
        while (--member >= 0)
        {
            if (!kept[member].IsEmpty)
                return kept[member].End;
        }

        return 0;
    }
}
