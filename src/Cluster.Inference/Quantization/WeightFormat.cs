using Cluster.Core.Errors;

namespace Cluster.Inference.Quantization;

/// <summary>How a quantised matrix stores its weights. All are symmetric: weight = code · scale, and zero stays zero.</summary>
public enum WeightFormat
{
    /// <summary>8-bit codes, −127 to 127, one scale per output row.</summary>
    Int8,

    /// <summary>8-bit codes, one scale per 32 input features of an output row.</summary>
    Int8Group,

    /// <summary>4-bit codes, −8 to 7, one scale per 32 input features of an output row.</summary>
    Int4Group,
}

/// <summary>What a product with quantised weights does to the activations that enter it.</summary>
public enum ActivationFormat
{
    /// <summary>Nothing: weights are widened to fp32 in registers.</summary>
    Fp32,

    /// <summary>
    /// 8-bit codes, −127 to 127, a scale for each row and each of the weights' groups from the largest magnitude there. Products of
    /// codes are added as whole numbers, exactly.
    /// </summary>
    Int8,
}

/// <summary>The names that users give.</summary>
public static class ActivationFormats
{
    /// <summary>The format of that name.</summary>
    /// <exception cref="UserErrorException">There is none.</exception>
    public static ActivationFormat Parse(string option, string name) => name switch
    {
        "fp32" => ActivationFormat.Fp32,
        "int8" => ActivationFormat.Int8,
        _ => throw new UserErrorException($"{option} is \"{name}\".", "Give int8 or fp32."),
    };
}

/// <summary>What follows from a format, and the names that users give.</summary>
public static class WeightFormats
{
    /// <summary>
    /// Longest group of input features: 127 · 128 times as many, the largest magnitude of a sum of products of codes, stays below 2³¹.
    /// A row longer than that has several scales in any format.
    /// </summary>
    private const int LongestGroup = 1 << 16;

    private static readonly (WeightFormat Format, string Name)[] s_names =
        [(WeightFormat.Int8, "int8"), (WeightFormat.Int8Group, "int8-group"), (WeightFormat.Int4Group, "int4")];

    extension(WeightFormat format)
    {
        /// <summary>Bits of a code, 4 or 8.</summary>
        public int Bits => format == WeightFormat.Int4Group ? 4 : 8;

        /// <summary>Largest code.</summary>
        public int Highest => format == WeightFormat.Int4Group ? 7 : 127;

        /// <summary>Smallest code.</summary>
        public int Lowest => format == WeightFormat.Int4Group ? -8 : -127;

        /// <summary>Input features that share a scale; the last group of a row may be shorter.</summary>
        public int Group => format == WeightFormat.Int8 ? LongestGroup : 32;

        /// <summary>As users write it.</summary>
        public string Name => Array.Find(s_names, entry => entry.Format == format).Name;

        /// <summary>Scales of a row.</summary>
        /// <param name="columns">Input features.</param>
        public int GroupsOf(int columns) => (columns + format.Group - 1) / format.Group;

        /// <summary>Bytes of a matrix's codes and scales.</summary>
        public long BytesOf(int rows, int columns) => (long)rows * columns * format.Bits / 8 + (long)rows * format.GroupsOf(columns) * sizeof(ushort);
    }

    /// <summary>The format of that name.</summary>
    /// <exception cref="UserErrorException">There is none.</exception>
    public static WeightFormat Parse(string option, string name) => Array.FindIndex(s_names, entry => entry.Name == name) is >= 0 and var at
        ? s_names[at].Format
        : throw new UserErrorException($"{option} is \"{name}\".", "Give int8, int8-group or int4.");
}
