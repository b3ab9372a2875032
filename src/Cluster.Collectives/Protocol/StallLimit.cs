namespace Cluster.Collectives.Protocol;

/// <summary>
/// How long a replica may show no sign of life before it is taken to hang [13]: a multiple of the slowest of the last steps, so that
/// a slow machine is not shot for being slow. Enters: how long steps took. Leaves: the limit. It reads no clock.
/// </summary>
public sealed class StallLimit
{
    private const int Window = 32;
    private readonly Queue<TimeSpan> _steps = new(Window);
    private readonly TimeSpan _least, _most;
    private readonly double _factor;

    /// <param name="first">Before any step has been seen; the first step warms everything up.</param>
    /// <param name="least">Never shorter: a garbage collection or a busy neighbour is no death.</param>
    /// <param name="most">Never longer.</param>
    /// <param name="factor">Times the slowest of the last 32 steps, at least 1.</param>
    public StallLimit(TimeSpan first, TimeSpan least, TimeSpan most, double factor = 2)
    {
        ArgumentOutOfRangeException.ThrowIfLessThanOrEqual(least, TimeSpan.Zero);
        ArgumentOutOfRangeException.ThrowIfLessThan(most, least);
        ArgumentOutOfRangeException.ThrowIfLessThan(factor, 1);
        (_least, _most, _factor, Value) = (least, most, factor, first);
    }

    /// <summary>The limit as of now.</summary>
    public TimeSpan Value { get; private set; }

    /// <summary>Takes note of how long a committed step took, from its BEGIN to its READY.</summary>
    public void Observe(TimeSpan step)
    {
        if (_steps.Count == Window)
            _steps.Dequeue();
        _steps.Enqueue(step);
        var slowest = _steps.Max();
        Value = TimeSpan.FromTicks(Math.Clamp((long)Math.Min(slowest.Ticks * _factor, long.MaxValue / 2), _least.Ticks, _most.Ticks));
    }
}
