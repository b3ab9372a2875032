namespace Cluster.Collectives.Simulation;

/// <summary>
/// What the simulated training comes to, undisturbed and on one replica: hashes stand for states and gradients, and a mix that is
/// neither commutative nor associative stands for addition, so that any other order, lane or step gives another hash.
/// </summary>
internal sealed class Oracle
{
    public const int Slices = 2;
    private readonly List<ulong> _states = [0x5EED];
    private readonly List<string> _gradients = [""];
    private readonly List<string> _stateTexts = [Text(0x5EED)];
    private readonly List<ulong[]> _moments = [[1, 2]];
    private readonly int _lanes;

    public Oracle(int lanes, int steps)
    {
        _lanes = lanes;
        Span<ulong> reduced = stackalloc ulong[Slices];
        for (var step = 0; step < steps; step++)
        {
            var state = _states[step];
            for (var slice = 0; slice < Slices; slice++)
                reduced[slice] = Sum(state, step, slice, 0, _lanes);
            _gradients.Add(GradientHash(reduced[0], reduced[1]));
            var moments = _moments[step];
            ulong[] updated = [Updated(reduced[0], moments[0]), Updated(reduced[1], moments[1])];
            _moments.Add([NextMoment(reduced[0], moments[0]), NextMoment(reduced[1], moments[1])]);
            _states.Add(Apply(state, updated[0], updated[1]));
            _stateTexts.Add(Text(_states[^1]));
        }
    }

    /// <summary>The state after that many steps.</summary>
    public ulong State(long steps) => _states[(int)steps];

    /// <summary>Its hash as replicas report it.</summary>
    public string StateHash(long steps) => _stateTexts[(int)steps];

    /// <summary>Hash of the gradient that led to the state after that many steps.</summary>
    public string Gradient(long steps) => _gradients[(int)steps];

    /// <summary>A slice's moments after that many steps.</summary>
    public ulong Moment(long steps, int slice) => _moments[(int)steps][slice];

    /// <summary>A slice's parameters after a step.</summary>
    public static ulong Updated(ulong reduced, ulong moment) => Mix(reduced, moment);

    public static ulong NextMoment(ulong reduced, ulong moment) => Mix(moment, reduced);

    public static ulong Lane(ulong state, long step, int lane, int slice) => Mix(Mix(state, (ulong)step * 64 + (ulong)lane), (ulong)slice);

    public static ulong Add(ulong left, ulong right) => Mix(left, right);

    public static ulong Apply(ulong state, ulong updated0, ulong updated1) => Mix(Mix(state, updated0), updated1);

    public static string GradientHash(ulong reduced0, ulong reduced1) => Text(Mix(reduced0, reduced1));

    public static string Text(ulong hash) => hash.ToString("x16", System.Globalization.CultureInfo.InvariantCulture);

    public static ulong Mix(ulong a, ulong b)
    {
        var x = (a ^ 0x9E3779B97F4A7C15UL) * 0xBF58476D1CE4E5B9UL + b;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBUL;
        return x ^ (x >> 31);
    }

    private static ulong Sum(ulong state, long step, int slice, int lane, int count)
    {
        if (count == 1)
            return Lane(state, step, lane, slice);
        var left = 1;
        while (2 * left < count)
            left *= 2;
        return Add(Sum(state, step, slice, lane, left), Sum(state, step, slice, lane + left, count - left));
    }
}
