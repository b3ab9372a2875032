using Cluster.Core.Models;

namespace Cluster.Model.Pruning;

/// <summary>Which values of a flat parameter vector are zero and stay so.</summary>
public sealed class PruningMask
{
    private readonly bool[] _pruned;

    /// <param name="pruned">One for each element of the flat vector.</param>
    internal PruningMask(bool[] pruned)
    {
        _pruned = pruned;
        Count = pruned.LongCount(p => p);
    }

    /// <summary>Values that are pruned.</summary>
    public long Count { get; }

    /// <summary>Whether a value is pruned.</summary>
    public bool this[long at] => _pruned[at];

    /// <summary>What either prunes.</summary>
    public PruningMask With(PruningMask other) => new([.. _pruned.Zip(other._pruned, (a, b) => a || b)]);

    /// <summary>Clears the pruned values of a vector: parameters, or moments.</summary>
    public void Apply(Span<float> vector)
    {
        for (var i = 0; i < vector.Length; i++)
        {
            if (_pruned[i])
                vector[i] = 0;
        }
    }
}

/// <summary>Over what the smallest magnitudes are sought.</summary>
public enum MagnitudeScope
{
    /// <summary>Each matrix loses the same share.</summary>
    Layer,

    /// <summary>All matrices together: one with small weights loses more.</summary>
    Global,
}

/// <summary>
/// Unstructured pruning of the blocks' matrices by magnitude (Han et al., "Learning both weights and connections", 2015). Tables, head,
/// gains and biases stay whole. Of equal magnitudes the earlier one goes.
/// </summary>
public static class MagnitudePruning
{
    /// <summary>The smallest ⌊share · count⌋ magnitudes.</summary>
    /// <param name="layout">Where parameters lie.</param>
    /// <param name="parameters">The flat vector.</param>
    /// <param name="share">0–1.</param>
    /// <param name="scope">Over what.</param>
    public static PruningMask Mask(ParameterLayout layout, ReadOnlySpan<float> parameters, double share, MagnitudeScope scope)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(share, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(share, 1);
        var pruned = new bool[layout.TotalCount];
        Parameter[] matrices = [.. layout.Parameters.Where(IsPrunable)];
        foreach (var group in scope == MagnitudeScope.Global ? [matrices] : matrices.Select(p => (Parameter[])[p]))
        {
            int[] places = [.. group.SelectMany(p => Enumerable.Range((int)p.Offset, (int)p.Count))];
            var magnitudes = new float[places.Length];
            for (var i = 0; i < places.Length; i++)
                magnitudes[i] = MathF.Abs(parameters[places[i]]);
            // A magnitude's bits sort as it does; the place behind them makes each key another one.
            var order = new long[places.Length];
            for (var i = 0; i < places.Length; i++)
                order[i] = ((long)BitConverter.SingleToUInt32Bits(magnitudes[i]) << 32) | (uint)i;
            Array.Sort(order);
            var count = (int)Math.Floor(share * places.Length + 1e-9);
            for (var i = 0; i < count; i++)
                pruned[places[(int)(order[i] & 0xFFFF_FFFF)]] = true;
        }

        return new PruningMask(pruned);
    }

    /// <summary>Values that can be pruned at all.</summary>
    public static long Prunable(ParameterLayout layout) => layout.Parameters.Where(IsPrunable).Sum(p => p.Count);

    private static bool IsPrunable(Parameter p) => p.IsMatrix && p.Name.StartsWith("blocks.", StringComparison.Ordinal);
}
