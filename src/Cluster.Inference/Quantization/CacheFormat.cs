using Cluster.Core.Errors;

namespace Cluster.Inference.Quantization;

/// <summary>How the managed backend stores keys and values.</summary>
public enum CacheFormat
{
    /// <summary>Single precision.</summary>
    Fp32,

    /// <summary>bfloat16, rounded to nearest even.</summary>
    Bf16,

    /// <summary>8-bit codes, −127 to 127, with one scale for each token's key and one for its value of each head, from the largest magnitude there.</summary>
    Int8,
}

/// <summary>The names that users give.</summary>
public static class CacheFormats
{
    /// <summary>The format of that name.</summary>
    /// <exception cref="UserErrorException">There is none.</exception>
    public static CacheFormat Parse(string option, string name) => name switch
    {
        "fp32" => CacheFormat.Fp32,
        "bf16" => CacheFormat.Bf16,
        "int8" => CacheFormat.Int8,
        _ => throw new UserErrorException($"{option} is \"{name}\".", "Give fp32, bf16 or int8."),
    };
}
