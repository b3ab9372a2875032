using Cluster.Core.Models;

namespace Cluster.Inference.Quantization;

/// <summary>
/// Which format a model's parts take. Gains, biases and a table of learned positions stay in fp32. The head is named for itself: it is a
/// third of a small model's bytes and of its products, and its errors reach the logits undamped.
/// </summary>
/// <param name="Weights">Of the blocks' matrices.</param>
/// <param name="Head">Of the head and the token embedding.</param>
/// <param name="Activations">What products of the blocks do to the rows that enter them.</param>
/// <param name="HeadActivations">The same for the head.</param>
/// <param name="Cache">Of keys and values.</param>
public sealed record QuantizationScheme(
    WeightFormat Weights, WeightFormat Head, ActivationFormat Activations, ActivationFormat HeadActivations, CacheFormat Cache)
{
    /// <summary>A format for everything; beside 4-bit blocks the head has 8 bits. Activations in 8 bits, the cache in fp32.</summary>
    public static QuantizationScheme Of(WeightFormat format) => new(
        format, format == WeightFormat.Int4Group ? WeightFormat.Int8Group : format, ActivationFormat.Int8, ActivationFormat.Int8, CacheFormat.Fp32);

    /// <summary>The format of a parameter; null where it stays in fp32.</summary>
    public WeightFormat? FormatOf(Parameter parameter) => !parameter.IsMatrix || parameter.Name == "position_embedding.weight"
        ? null
        : IsHead(parameter.Name) ? Head : Weights;

    /// <summary>What a product of that matrix does to its rows.</summary>
    public ActivationFormat ActivationsOf(string name) => IsHead(name) ? HeadActivations : Activations;

    private static bool IsHead(string name) => name is "head.weight" or "token_embedding.weight";
}
