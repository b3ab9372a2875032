using System.Collections.Immutable;

namespace Cluster.Silo.Training;

/// <summary>What the time of a stage goes into, and who takes part in it; pure: seconds are handed in, and rise.</summary>
internal sealed record StageTimes
{
    private const string Step = "step", Recovery = "recovery", Halt = "halt";

    private double? _at, _lostAt;
    private bool _halted;

    /// <summary>The generation at hand.</summary>
    public long Generation { get; private init; }

    /// <summary>Lanes of every replica.</summary>
    public ImmutableArray<(string Name, int Lanes)> LanesOf { get; private init; } = [];

    /// <inheritdoc cref="LanesOf"/>
    public IReadOnlyList<(string Name, int Lanes)> Lanes => LanesOf;

    /// <summary>Lanes computed again.</summary>
    public long LostLanes { get; private init; }

    /// <summary>Lanes that went from slow replicas to fast ones.</summary>
    public long MovedLanes { get; private init; }

    /// <summary>Seconds by what they went into.</summary>
    public ImmutableSortedDictionary<string, double> Seconds { get; private init; } =
        ImmutableSortedDictionary.Create<string, double>(StringComparer.Ordinal).Add(Step, 0).Add(Recovery, 0).Add(Halt, 0);

    /// <summary>Share of the time in steps without a recovery; null before the first step.</summary>
    public double? Goodput => Seconds.Values.Sum() is > 0 and var all ? Seconds[Step] / all : null;

    /// <summary>The first sign that somebody is lost.</summary>
    public StageTimes Sign(double now) => this with { _lostAt = _lostAt ?? now };

    /// <summary>A generation begins, or the lanes are divided anew in it.</summary>
    /// <param name="generation">Its number.</param>
    /// <param name="lanes">Of every replica.</param>
    /// <param name="lostLanes">Lanes computed again so far.</param>
    /// <param name="movedLanes">Lanes that went from slow replicas to fast ones so far.</param>
    public StageTimes Begin(long generation, IEnumerable<(string, int)> lanes, long lostLanes, long movedLanes = 0) =>
        this with { Generation = generation, LanesOf = [.. lanes], LostLanes = lostLanes, MovedLanes = movedLanes };

    /// <summary>It rests, and will go on later.</summary>
    public StageTimes Rest() => this with { _halted = true };

    /// <summary>A step is committed.</summary>
    /// <param name="now">When.</param>
    /// <param name="recovered">Seconds since the first sign of a loss before it, or null.</param>
    public StageTimes Commit(double now, out double? recovered)
    {
        recovered = now - _lostAt;
        var kind = _lostAt is not null ? Recovery : _halted ? Halt : Step;
        // Before the first commit nothing says what the time went into.
        var seconds = _at is { } before ? Seconds.SetItem(kind, Seconds[kind] + now - before) : Seconds;
        return this with { _at = now, _lostAt = null, _halted = false, Seconds = seconds };
    }
}
