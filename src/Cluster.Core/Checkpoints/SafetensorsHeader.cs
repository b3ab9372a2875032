using System.Text.Encodings.Web;
using System.Text.Json;
using System.Text.Unicode;

namespace Cluster.Core.Checkpoints;

/// <summary>The JSON part of a safetensors file. Does not know files: defects are <see cref="FormatException"/>s.</summary>
/// <param name="Tensors">In order of their bytes.</param>
/// <param name="Metadata">Text by name.</param>
internal sealed record SafetensorsHeader(IReadOnlyList<TensorEntry> Tensors, IReadOnlyDictionary<string, string> Metadata)
{
    private const string MetadataName = "__metadata__";

    /// <summary>Places tensors one after another.</summary>
    /// <exception cref="ArgumentException">A name is given twice or reserved, a type is unknown, or a size is negative.</exception>
    public static SafetensorsHeader Place(IReadOnlyList<TensorShape> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        var names = new HashSet<string>(StringComparer.Ordinal) { MetadataName };
        var entries = new List<TensorEntry>(tensors.Count);
        long offset = 0;
        foreach (var (name, shape, type) in tensors)
        {
            if (!names.Add(name))
                throw new ArgumentException($"The tensor name {name} is taken.", nameof(tensors));
            if (shape.Any(size => size < 0))
                throw new ArgumentException($"The tensor {name} has a negative size.", nameof(tensors));
            if (Safetensors.BytesOf(type) == 0)
                throw new ArgumentException($"The tensor {name} has the unknown type {type}.", nameof(tensors));
            var bytes = checked(shape.Aggregate((long)Safetensors.BytesOf(type), (product, size) => checked(product * size)));
            entries.Add(new TensorEntry(name, type, shape, offset, checked(offset + bytes)));
            offset += bytes;
        }

        return new SafetensorsHeader(entries, metadata);
    }

    /// <summary>UTF-8, filled up with spaces to a multiple of 8 bytes so that the tensors start aligned.</summary>
    public byte[] ToBytes()
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            if (Metadata.Count > 0)
            {
                json.WriteStartObject(MetadataName);
                foreach (var (key, value) in Metadata)
                    json.WriteString(key, value);
                json.WriteEndObject();
            }

            foreach (var tensor in Tensors)
            {
                json.WriteStartObject(tensor.Name);
                json.WriteString("dtype", tensor.Type);
                WriteArray(json, "shape", tensor.Shape);
                WriteArray(json, "data_offsets", [tensor.Begin, tensor.End]);
                json.WriteEndObject();
            }

            json.WriteEndObject();
        }

        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        return buffer.ToArray();

        static void WriteArray(Utf8JsonWriter json, string name, IReadOnlyList<long> values)
        {
            json.WriteStartArray(name);
            foreach (var value in values)
                json.WriteNumberValue(value);
            json.WriteEndArray();
        }
    }

    /// <param name="utf8">The header's bytes, filling included.</param>
    /// <param name="dataBytes">Bytes of the file after the header.</param>
    /// <exception cref="FormatException">The header breaks the format or does not fit the data.</exception>
    public static SafetensorsHeader Parse(ReadOnlyMemory<byte> utf8, long dataBytes)
    {
        if (!Utf8.IsValid(utf8.Span))
            throw new FormatException("its header is not UTF-8");
        if (utf8.IsEmpty || utf8.Span[0] != '{')
            throw new FormatException("its header does not begin with {");
        try
        {
            using var document = JsonDocument.Parse(utf8, new JsonDocumentOptions { AllowDuplicateProperties = false });
            var metadata = new Dictionary<string, string>(StringComparer.Ordinal);
            var tensors = new List<TensorEntry>();
            foreach (var property in document.RootElement.EnumerateObject())
            {
                if (property.Name == MetadataName)
                    ReadMetadata(property.Value, metadata);
                else
                    tensors.Add(ReadTensor(property.Name, property.Value));
            }

            tensors.Sort((a, b) => (a.Begin, a.End).CompareTo((b.Begin, b.End)));
            RequireContiguous(tensors, dataBytes);
            return new SafetensorsHeader(tensors, metadata);
        }
        // The second is what an escaped half of a surrogate pair in a string gives.
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            throw new FormatException($"its header is no valid JSON ({e.Message.TrimEnd('.')})", e);
        }
    }

    private static void ReadMetadata(JsonElement element, Dictionary<string, string> metadata)
    {
        if (element.ValueKind != JsonValueKind.Object)
            throw new FormatException($"{MetadataName} is no object");
        foreach (var entry in element.EnumerateObject())
        {
            metadata.Add(entry.Name, entry.Value.ValueKind == JsonValueKind.String
                ? entry.Value.GetString()!
                : throw new FormatException($"{MetadataName}.{entry.Name} is no text"));
        }
    }

    private static TensorEntry ReadTensor(string name, JsonElement element)
    {
        if (element.ValueKind != JsonValueKind.Object || element.GetPropertyCount() != 3)
            throw new FormatException($"the tensor {name} is no object of dtype, shape and data_offsets");
        if (!element.TryGetProperty("dtype", out var dtype) || dtype.ValueKind != JsonValueKind.String)
            throw new FormatException($"the tensor {name} has no dtype");
        var type = dtype.GetString()!;
        var shape = ReadArray(name, element, "shape");
        if (ReadArray(name, element, "data_offsets") is not [var begin, var end])
            throw new FormatException($"the tensor {name} has other than two data_offsets");

        long bytes = Safetensors.BytesOf(type);
        if (bytes == 0)
            throw new FormatException($"the tensor {name} has the unknown type {type}");
        try
        {
            bytes = shape.Aggregate(bytes, (product, size) => checked(product * size));
        }
        catch (OverflowException e)
        {
            throw new FormatException($"the tensor {name} has a shape beyond all memory, [{string.Join(", ", shape)}]", e);
        }

        if (begin > end || end - begin != bytes)
        {
            throw new FormatException(
                $"the tensor {name}, {type} [{string.Join(", ", shape)}], needs {bytes} bytes and lies at {begin} to {end}");
        }

        return new TensorEntry(name, type, shape, begin, end);
    }

    private static long[] ReadArray(string name, JsonElement element, string field)
    {
        if (!element.TryGetProperty(field, out var array) || array.ValueKind != JsonValueKind.Array)
            throw new FormatException($"the tensor {name} has no {field}");
        return [.. array.EnumerateArray().Select(item =>
            item.ValueKind == JsonValueKind.Number && item.TryGetInt64(out var value) && value >= 0
                ? value
                : throw new FormatException($"the tensor {name} has {field} that are no whole numbers from 0"))];
    }

    // Every byte belongs to exactly one tensor: nothing hides between them, nothing is read twice.
    private static void RequireContiguous(List<TensorEntry> tensors, long dataBytes)
    {
        long offset = 0;
        foreach (var tensor in tensors)
        {
            if (tensor.Begin != offset)
                throw new FormatException($"the tensor {tensor.Name} begins at byte {tensor.Begin} of the data and not at {offset}");
            offset = tensor.End;
        }

        if (offset > dataBytes)
            throw new FormatException($"it was cut short: its tensors take {offset} bytes, {dataBytes} are there");
        if (offset < dataBytes)
            throw new FormatException($"{dataBytes - offset} bytes follow its last tensor");
    }
}
