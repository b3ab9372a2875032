// Removing whole attention heads and feed-forward neurons. Enters: a shape, flat vectors, how much each unit matters. Leaves: a mask
// while training goes on, and at last a smaller shape with its vectors. Does not know: training, files.
using Cluster.Core.Errors;
using Cluster.Core.Models;

namespace Cluster.Model.Pruning;

/// <summary>How much each unit matters, at least 0: [layer][key-value head with its query heads], [layer][feed-forward neuron].</summary>
public sealed record UnitImportance(double[][] Heads, double[][] Neurons);

/// <summary>The units of each layer that stay, in ascending order.</summary>
public sealed record KeptUnits(int[][] Heads, int[][] Neurons);

/// <summary>
/// Every layer loses as many units, so that the smaller model is a model of the same kind. A head goes with its query, key and value rows
/// and its columns of the output; under grouped-query attention a key-value head goes with all query heads that read it. A neuron goes with
/// its rows of gate and up and its column of down.
/// </summary>
public static class StructuredPruning
{
    private const int Lanes = 16;

    /// <summary>How many key-value heads and neurons of each layer stay. Widths remain multiples of 16 and nothing is taken to the last: less may go than was asked for.</summary>
    /// <param name="shape">Resolved.</param>
    /// <param name="heads">Share of heads to remove, 0 to below 1.</param>
    /// <param name="neurons">Share of neurons to remove, 0 to below 1.</param>
    public static (int Heads, int Neurons) Stay(ModelShape shape, double heads, double neurons)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(heads, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(heads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(neurons, 0);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(neurons, 1);
        var keptHeads = Math.Max(1, shape.KvHeads - (int)Math.Floor(heads * shape.KvHeads + 1e-9));
        while (keptHeads < shape.KvHeads && keptHeads * shape.HeadSize % Lanes != 0)
            keptHeads++;
        var removed = (int)Math.Floor(neurons * shape.FeedForward + 1e-9) / Lanes * Lanes;
        return (keptHeads, Math.Max(Lanes, shape.FeedForward - removed));
    }

    /// <summary>The shape that remains.</summary>
    /// <param name="shape">Resolved.</param>
    /// <param name="kvHeads">Key-value heads of each layer.</param>
    /// <param name="neurons">Neurons of each layer.</param>
    /// <exception cref="UserErrorException">There is no such model.</exception>
    public static ModelShape Shape(ModelShape shape, int kvHeads, int neurons)
    {
        var smaller = shape with { Heads = shape.Heads / shape.KvHeads * kvHeads, KvHeads = kvHeads, FeedForward = neurons };
        smaller.Validate();
        return smaller;
    }

    /// <summary>The most important units of each layer; of equal ones the earlier.</summary>
    public static KeptUnits Choose(UnitImportance importance, int kvHeads, int neurons) =>
        new([.. importance.Heads.Select(layer => Top(layer, kvHeads))], [.. importance.Neurons.Select(layer => Top(layer, neurons))]);

    /// <summary>The L2 norm of all weights that belong to a unit.</summary>
    public static UnitImportance Magnitude(ParameterLayout layout, ReadOnlySpan<float> parameters)
    {
        var importance = Zero(layout.Shape);
        for (var layer = 0; layer < layout.Shape.Layers; layer++)
        {
            foreach (var (name, units, byRow) in Matrices(layout.Shape, layer))
            {
                var p = layout[name];
                var sums = units.IsHeads ? importance.Heads[layer] : importance.Neurons[layer];
                for (var row = 0; row < p.Rows; row++)
                {
                    for (var column = 0; column < p.Columns; column++)
                    {
                        double value = parameters[(int)p.Offset + row * p.Columns + column];
                        sums[units.Of(byRow ? row : column)] += value * value;
                    }
                }
            }
        }

        foreach (var layer in importance.Heads.Concat(importance.Neurons))
        {
            for (var i = 0; i < layer.Length; i++)
                layer[i] = Math.Sqrt(layer[i]);
        }

        return importance;
    }

    /// <summary>
    /// Adds |∂loss/∂ξ| for a gate ξ = 1 on each unit's output, of one batch's gradient: Σ of weight · gradient over the columns through which
    /// the output leaves, for that is how a gate there enters the chain rule. Over batches it is the expected sensitivity of Michel et al.,
    /// "Are sixteen heads really better than one?", 2019, equation 2, and the first-order Taylor term of Molchanov et al., 2017.
    /// </summary>
    public static void AddSensitivity(ParameterLayout layout, ReadOnlySpan<float> parameters, ReadOnlySpan<float> gradient, UnitImportance importance)
    {
        for (var layer = 0; layer < layout.Shape.Layers; layer++)
        {
            foreach (var (name, units, byRow) in Matrices(layout.Shape, layer).Where(m => !m.ByRow))
            {
                var p = layout[name];
                var sums = new double[(units.IsHeads ? importance.Heads[layer] : importance.Neurons[layer]).Length];
                for (var row = 0; row < p.Rows; row++)
                {
                    for (var column = 0; column < p.Columns; column++)
                    {
                        var at = (int)p.Offset + row * p.Columns + column;
                        sums[units.Of(column)] += (double)parameters[at] * gradient[at];
                    }
                }

                var to = units.IsHeads ? importance.Heads[layer] : importance.Neurons[layer];
                for (var i = 0; i < sums.Length; i++)
                    to[i] += Math.Abs(sums[i]);
            }
        }
    }

    /// <summary>No unit matters yet.</summary>
    public static UnitImportance Zero(ModelShape shape) => new(
        [.. Enumerable.Range(0, shape.Layers).Select(_ => new double[shape.KvHeads])],
        [.. Enumerable.Range(0, shape.Layers).Select(_ => new double[shape.FeedForward])]);

    /// <summary>All values of the units that do not stay.</summary>
    public static PruningMask Mask(ParameterLayout layout, KeptUnits kept)
    {
        var pruned = new bool[layout.TotalCount];
        foreach (var p in layout.Parameters)
        {
            var (rows, columns) = Maps(layout.Shape, p, kept);
            if (rows is null && columns is null)
                continue;
            pruned.AsSpan((int)p.Offset, (int)p.Count).Fill(true);
            foreach (var row in rows ?? [.. Enumerable.Range(0, p.Rows)])
            {
                foreach (var column in columns ?? [.. Enumerable.Range(0, p.Columns)])
                    pruned[p.Offset + (long)row * p.Columns + column] = false;
            }
        }

        return new PruningMask(pruned);
    }

    /// <summary>A flat vector (parameters, or moments) of the smaller model.</summary>
    /// <param name="layout">Of the whole model.</param>
    /// <param name="vector">Of that layout.</param>
    /// <param name="kept">As many units in every layer.</param>
    /// <param name="smaller">The layout of <see cref="Shape"/>.</param>
    public static float[] Compact(ParameterLayout layout, ReadOnlySpan<float> vector, KeptUnits kept, ParameterLayout smaller)
    {
        var compact = new float[smaller.TotalCount];
        foreach (var p in layout.Parameters)
        {
            var (rows, columns) = Maps(layout.Shape, p, kept);
            var to = (int)smaller[p.Name].Offset;
            foreach (var row in rows ?? [.. Enumerable.Range(0, p.Rows)])
            {
                var line = vector.Slice((int)p.Offset + row * p.Columns, p.Columns);
                if (columns is null)
                {
                    line.CopyTo(compact.AsSpan(to));
                    to += line.Length;
                    continue;
                }

                foreach (var column in columns)
                    compact[to++] = line[column];
            }
        }

        return compact;
    }

    private static int[] Top(double[] importance, int count) =>
        [.. Enumerable.Range(0, importance.Length).OrderByDescending(i => importance[i]).ThenBy(i => i).Take(count).Order()];

    /// <summary>Which rows and columns of a parameter stay; null for all.</summary>
    private static (int[]? Rows, int[]? Columns) Maps(ModelShape shape, Parameter p, KeptUnits kept)
    {
        var parts = p.Name.Split('.');
        if (parts[0] != "blocks" || parts.Length != 5)
            return (null, null);
        var layer = int.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture);
        var isBias = parts[4] == "bias";
        switch ($"{parts[2]}.{parts[3]}")
        {
            case "attention.qkv":
                var rows = QkvRows(shape, kept.Heads[layer]);
                return isBias ? (null, rows) : (rows, null);
            case "attention.output":
                return isBias ? (null, null) : (null, QueryRows(shape, kept.Heads[layer]));
            case "feed_forward.up":
                int[] up = shape.Activation == Activation.Swiglu ? [.. kept.Neurons[layer], .. kept.Neurons[layer].Select(j => shape.FeedForward + j)] : kept.Neurons[layer];
                return isBias ? (null, up) : (up, null);
            case "feed_forward.down":
                return isBias ? (null, null) : (null, kept.Neurons[layer]);
            default:
                return (null, null);
        }
    }

    /// <summary>Rows of queries: the query heads of a key-value head lie together.</summary>
    private static int[] QueryRows(ModelShape shape, int[] heads)
    {
        var group = shape.Heads / shape.KvHeads * shape.HeadSize;
        return [.. heads.SelectMany(head => Enumerable.Range(head * group, group))];
    }

    private static int[] QkvRows(ModelShape shape, int[] heads)
    {
        int query = shape.Heads * shape.HeadSize, keyValue = shape.KvHeads * shape.HeadSize;
        int[] rows = [.. heads.SelectMany(head => Enumerable.Range(head * shape.HeadSize, shape.HeadSize))];
        return [.. QueryRows(shape, heads), .. rows.Select(row => query + row), .. rows.Select(row => query + keyValue + row)];
    }

    /// <summary>The matrices of a layer, and which unit a row or column of each belongs to.</summary>
    private static IEnumerable<(string Name, Units Units, bool ByRow)> Matrices(ModelShape shape, int layer)
    {
        int query = shape.Heads * shape.HeadSize, keyValue = shape.KvHeads * shape.HeadSize, group = query / shape.KvHeads;
        yield return ($"blocks.{layer}.attention.qkv.weight", new Units(true, row => row < query ? row / group : (row - query) % keyValue / shape.HeadSize), true);
        yield return ($"blocks.{layer}.attention.output.weight", new Units(true, column => column / group), false);
        yield return ($"blocks.{layer}.feed_forward.up.weight", new Units(false, row => row % shape.FeedForward), true);
        yield return ($"blocks.{layer}.feed_forward.down.weight", new Units(false, column => column), false);
    }

    private sealed record Units(bool IsHeads, Func<int, int> Of);
}
