// Enters: names, shapes and spans of floats, or a file from anywhere. Leaves: a file, or floats. Does not know: what the tensors mean.

using Cluster.Core.Errors;

namespace Cluster.Core.Checkpoints;

/// <summary>A tensor to be written.</summary>
/// <param name="Name">Unique in its file; not <c>__metadata__</c>.</param>
/// <param name="Shape">Dimensions, outermost first; none for a single value.</param>
/// <param name="Type">As the format calls it; tensors of other types than F32 are written as bytes.</param>
public sealed record TensorShape(string Name, IReadOnlyList<long> Shape, string Type = "F32");

/// <summary>A tensor in a file.</summary>
/// <param name="Name">Unique in its file.</param>
/// <param name="Type">As the format calls it: F32, BF16 …</param>
/// <param name="Shape">Dimensions, outermost first; none for a single value.</param>
/// <param name="Begin">First byte, counted from the end of the header.</param>
/// <param name="End">Byte after the last.</param>
public sealed record TensorEntry(string Name, string Type, IReadOnlyList<long> Shape, long Begin, long End)
{
    /// <summary>Number of values.</summary>
    public long Count => Shape.Aggregate(1L, (count, size) => count * size);
}

/// <summary>
/// The safetensors format (https://github.com/huggingface/safetensors): 8 bytes of header length, little-endian; the header, a JSON
/// object from tensor name to type, shape and place, filled up with spaces; then the tensors' bytes without gaps.
/// </summary>
public static class Safetensors
{
    /// <summary>Longest header that is read, as in the reference implementation.</summary>
    public const int HeaderLimit = 100_000_000;

    /// <summary>Begins a file; what stands at the path is overwritten.</summary>
    /// <param name="path">The file.</param>
    /// <param name="tensors">All tensors, in the order in which they will be written.</param>
    /// <param name="metadata">Text by name for the header.</param>
    /// <exception cref="UserErrorException">It cannot be written.</exception>
    public static SafetensorsWriter Create(
        string path, IReadOnlyList<TensorShape> tensors, IReadOnlyDictionary<string, string>? metadata = null) =>
        new(path, tensors, metadata ?? new Dictionary<string, string>());

    /// <summary>Opens a file and checks its header against the format and its length.</summary>
    /// <exception cref="UserErrorException">It cannot be read, was cut short, or breaks the format; the message says where.</exception>
    public static SafetensorsReader Open(string path) => new(path);

    /// <summary>Bytes of one value; 0 for a type that is not known.</summary>
    internal static int BytesOf(string type) => type switch
    {
        "BOOL" or "U8" or "I8" or "F8_E5M2" or "F8_E4M3" or "F8_E8M0" => 1,
        "U16" or "I16" or "F16" or "BF16" => 2,
        "U32" or "I32" or "F32" => 4,
        "U64" or "I64" or "F64" or "C64" => 8,
        _ => 0,
    };
}
