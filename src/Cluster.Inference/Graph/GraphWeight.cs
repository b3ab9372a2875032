// What a node multiplies or adds, as an expression over a model's parameters: passes change expressions, and only an executor asks for
// numbers. So a graph can be made, changed and printed without weights.
using System.Globalization;
using Cluster.Core.Models;

namespace Cluster.Inference.Graph;

/// <summary>A matrix [rows, columns], or a vector of one row.</summary>
/// <param name="Rows">At least 1.</param>
/// <param name="Columns">At least 1.</param>
public abstract record GraphWeight(int Rows, int Columns)
{
    /// <summary>Number of values.</summary>
    public long Count => (long)Rows * Columns;

    /// <summary>The values of some rows.</summary>
    /// <param name="first">The first row.</param>
    /// <param name="to">[rows, columns].</param>
    /// <param name="parameters">The model's.</param>
    internal abstract void Fill(int first, Span<float> to, ParameterSource parameters);

    /// <summary>All values.</summary>
    internal float[] Values(ParameterSource parameters)
    {
        var values = new float[Count];
        Fill(0, values, parameters);
        return values;
    }

    /// <summary>A whole parameter.</summary>
    public static GraphWeight Of(Parameter parameter) => new ParameterRows(parameter, 0, parameter.Rows);

    /// <summary>Some rows of a matrix, or some values of a vector.</summary>
    public static GraphWeight Of(Parameter parameter, int first, int count) =>
        parameter.IsMatrix ? new ParameterRows(parameter, first, count) : new ParameterValues(parameter, first, count);

    /// <summary>Matrices on top of each other, or vectors one after another; neighbouring pieces of one parameter become one piece.</summary>
    public static GraphWeight Stack(IReadOnlyList<GraphWeight> parts)
    {
        List<GraphWeight> joined = [];
        foreach (var part in parts)
        {
            if (joined is [.., var last] && Join(last, part) is { } both)
                joined[^1] = both;
            else
                joined.Add(part);
        }

        return joined is [var only] ? only : new StackedWeight(joined);
    }

    private static GraphWeight? Join(GraphWeight a, GraphWeight b) => (a, b) switch
    {
        (ParameterRows x, ParameterRows y) when x.Parameter == y.Parameter && y.First == x.First + x.Rows => x with { Rows = x.Rows + y.Rows },
        (ParameterValues x, ParameterValues y) when x.Parameter == y.Parameter && y.First == x.First + x.Columns =>
            x with { Columns = x.Columns + y.Columns },
        (ColumnScaledWeight x, ColumnScaledWeight y) when x.Gain == y.Gain && Join(x.Matrix, y.Matrix) is { } matrix => new ColumnScaledWeight(matrix, x.Gain),
        _ => null,
    };
}

/// <summary>Rows of a parameter that is a matrix; all of a vector.</summary>
/// <param name="Parameter">The parameter.</param>
/// <param name="First">The first row.</param>
/// <param name="Rows">How many.</param>
public sealed record ParameterRows(Parameter Parameter, int First, int Rows) : GraphWeight(Rows, Parameter.Columns)
{
    internal override void Fill(int first, Span<float> to, ParameterSource parameters) =>
        parameters.Fill(Parameter, (long)(First + first) * Columns, to);

    /// <inheritdoc/>
    public override string ToString() => Rows == Parameter.Rows ? Parameter.Name : $"{Parameter.Name}[{First}..{First + Rows}]";
}

/// <summary>Some values of a parameter that is a vector.</summary>
/// <param name="Parameter">The parameter.</param>
/// <param name="First">The first value.</param>
/// <param name="Columns">How many.</param>
public sealed record ParameterValues(Parameter Parameter, int First, int Columns) : GraphWeight(1, Columns)
{
    internal override void Fill(int first, Span<float> to, ParameterSource parameters) => parameters.Fill(Parameter, First, to);

    /// <inheritdoc/>
    public override string ToString() => Columns == Parameter.Columns ? Parameter.Name : $"{Parameter.Name}[{First}..{First + Columns}]";
}

/// <summary>Every value times a factor.</summary>
/// <param name="Weight">The values.</param>
/// <param name="Factor">The factor.</param>
public sealed record ScaledWeight(GraphWeight Weight, float Factor) : GraphWeight(Weight.Rows, Weight.Columns)
{
    internal override void Fill(int first, Span<float> to, ParameterSource parameters)
    {
        Weight.Fill(first, to, parameters);
        foreach (ref var value in to)
            value *= Factor;
    }

    /// <inheritdoc/>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture, $"{Factor:G6} · {Weight}");
}

/// <summary>W · diag(gain): a gain before a product becomes part of it.</summary>
/// <param name="Matrix">[rows, columns].</param>
/// <param name="Gain">A vector [columns].</param>
public sealed record ColumnScaledWeight(GraphWeight Matrix, GraphWeight Gain) : GraphWeight(Matrix.Rows, Matrix.Columns)
{
    internal override void Fill(int first, Span<float> to, ParameterSource parameters)
    {
        Matrix.Fill(first, to, parameters);
        var gain = Gain.Values(parameters);
        for (; to.Length > 0; to = to[Columns..])
        {
            for (var i = 0; i < gain.Length; i++)
                to[i] *= gain[i];
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Matrix} · diag({Gain})";
}

/// <summary>W · v, summed in double: what a bias before a product adds after it.</summary>
/// <param name="Matrix">[rows, columns].</param>
/// <param name="Vector">A vector [columns].</param>
public sealed record AppliedWeight(GraphWeight Matrix, GraphWeight Vector) : GraphWeight(1, Matrix.Rows)
{
    internal override void Fill(int first, Span<float> to, ParameterSource parameters)
    {
        float[] vector = Vector.Values(parameters), line = new float[Matrix.Columns];
        for (var o = 0; o < to.Length; o++)
        {
            Matrix.Fill(o, line, parameters);
            double sum = 0;
            for (var i = 0; i < line.Length; i++)
                sum += (double)line[i] * vector[i];
            to[o] = (float)sum;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Matrix} · {Vector}";
}

/// <summary>a + b.</summary>
/// <param name="Left">a.</param>
/// <param name="Right">b, of the same shape.</param>
public sealed record SummedWeight(GraphWeight Left, GraphWeight Right) : GraphWeight(Left.Rows, Left.Columns)
{
    internal override void Fill(int first, Span<float> to, ParameterSource parameters)
    {
        Left.Fill(first, to, parameters);
        var right = new float[to.Length];
        Right.Fill(first, right, parameters);
        for (var i = 0; i < to.Length; i++)
            to[i] += right[i];
    }

    /// <inheritdoc/>
    public override string ToString() => $"{Left} + {Right}";
}

/// <summary>Matrices on top of each other, or vectors one after another.</summary>
public sealed record StackedWeight : GraphWeight
{
    /// <param name="parts">At least one; all matrices of one width, or all vectors.</param>
    public StackedWeight(IReadOnlyList<GraphWeight> parts)
        : base(parts[0].Rows == 1 ? 1 : parts.Sum(p => p.Rows), parts[0].Rows == 1 ? parts.Sum(p => p.Columns) : parts[0].Columns) => Parts = parts;

    /// <summary>From the top.</summary>
    public IReadOnlyList<GraphWeight> Parts { get; }

    internal override void Fill(int first, Span<float> to, ParameterSource parameters)
    {
        // In elements: a stack of matrices of one width is their values one after another, and so is a row of vectors.
        var skip = (long)first * Columns;
        foreach (var part in Parts)
        {
            if (to.IsEmpty)
                return;
            if (skip >= part.Count)
            {
                skip -= part.Count;
                continue;
            }

            var count = (int)Math.Min(part.Count - skip, to.Length);
            part.Fill((int)(skip / part.Columns), to[..count], parameters);
            to = to[count..];
            skip = 0;
        }
    }

    /// <inheritdoc/>
    public override string ToString() => $"[{string.Join("; ", Parts)}]";
}

/// <summary>16 rows (or values) of the first, 16 of the second, and so on.</summary>
/// <param name="First">A matrix whose rows, or a vector whose values, are a multiple of 16.</param>
/// <param name="Second">Another of the same shape.</param>
public sealed record InterleavedWeight(GraphWeight First, GraphWeight Second)
    : GraphWeight(First.Rows == 1 ? 1 : 2 * First.Rows, First.Rows == 1 ? 2 * First.Columns : First.Columns)
{
    /// <summary>Rows that stay together.</summary>
    public const int Unit = 16;

    internal override void Fill(int first, Span<float> to, ParameterSource parameters)
    {
        if (Rows > 1)
        {
            for (var row = first; to.Length > 0; row++, to = to[Columns..])
                (row / Unit % 2 == 0 ? First : Second).Fill(row / (2 * Unit) * Unit + row % Unit, to[..Columns], parameters);
            return;
        }

        float[] even = First.Values(parameters), odd = Second.Values(parameters);
        for (var i = 0; i < to.Length; i++)
            to[i] = (i / Unit % 2 == 0 ? even : odd)[i / (2 * Unit) * Unit + i % Unit];
    }

    /// <inheritdoc/>
    public override string ToString() => $"[{First} ⇄ {Second}]";
}

/// <summary>Sinusoidal positions [positions, width] of <see cref="SinusoidalPositions"/>.</summary>
/// <param name="Rows">Positions.</param>
/// <param name="Columns">Width.</param>
public sealed record SinusoidalTable(int Rows, int Columns) : GraphWeight(Rows, Columns)
{
    internal override void Fill(int first, Span<float> to, ParameterSource parameters)
    {
        for (; to.Length > 0; first++, to = to[Columns..])
            SinusoidalPositions.FillRow(to[..Columns], first);
    }

    /// <inheritdoc/>
    public override string ToString() => $"sinusoids[{Rows}]";
}

/// <summary>Cosines, then sines of the rotary angles [positions, head size].</summary>
/// <param name="Rows">Positions.</param>
/// <param name="Columns">Head size.</param>
public sealed record RotaryTable(int Rows, int Columns) : GraphWeight(Rows, Columns)
{
    internal override void Fill(int first, Span<float> to, ParameterSource parameters)
    {
        for (; to.Length > 0; first++, to = to[Columns..])
            RotaryAngles.Fill(to[..Columns], first);
    }

    /// <inheritdoc/>
    public override string ToString() => $"angles[{Rows}]";
}
