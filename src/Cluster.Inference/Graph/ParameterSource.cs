using Cluster.Core.Models;

namespace Cluster.Inference.Graph;

/// <summary>Where the values of a model's parameters come from.</summary>
internal abstract class ParameterSource
{
    /// <summary>Values of a parameter, row by row, from the <paramref name="first"/>-th on.</summary>
    public abstract void Fill(Parameter parameter, long first, Span<float> to);
}

/// <summary>The flat vector of training; it must stay where it is for as long as this is used.</summary>
internal sealed unsafe class FlatParameters(float* values) : ParameterSource
{
    /// <inheritdoc/>
    public override void Fill(Parameter parameter, long first, Span<float> to) =>
        new ReadOnlySpan<float>(values + parameter.Offset + first, to.Length).CopyTo(to);
}
