using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Cluster.Core.Errors;
using Microsoft.Win32.SafeHandles;

namespace Cluster.Core.Checkpoints;

/// <summary>Reads tensors of one safetensors file, in any order.</summary>
public sealed class SafetensorsReader : IDisposable
{
    private const int LengthBytes = 8;
    private readonly string _path;
    private readonly SafeFileHandle _file;
    private readonly long _data;
    private readonly Dictionary<string, TensorEntry> _byName;

    internal SafetensorsReader(string path)
    {
        _path = path;
        SafeFileHandle? file = null;
        try
        {
            _file = file = File.OpenHandle(path);
            var fileBytes = RandomAccess.GetLength(file);
            Span<byte> lengthBytes = stackalloc byte[LengthBytes];
            if (fileBytes < LengthBytes)
                throw new FormatException($"it was cut short: {fileBytes} bytes hold no header");
            Fill(lengthBytes, 0);
            var length = BinaryPrimitives.ReadUInt64LittleEndian(lengthBytes);
            if (length > Safetensors.HeaderLimit)
                throw new FormatException($"its header claims {length} bytes, {Safetensors.HeaderLimit} are allowed");
            _data = LengthBytes + (long)length;
            if (_data > fileBytes)
                throw new FormatException($"it was cut short: its header takes {length} bytes, {fileBytes - LengthBytes} are there");
            var json = new byte[length];
            Fill(json, LengthBytes);
            (Tensors, Metadata) = SafetensorsHeader.Parse(json, fileBytes - _data);
            _byName = Tensors.ToDictionary(tensor => tensor.Name, StringComparer.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException or FormatException)
        {
            file?.Dispose();
            throw Unreadable(e);
        }
    }

    /// <summary>In order of their bytes.</summary>
    public IReadOnlyList<TensorEntry> Tensors { get; }

    /// <summary>The header's text by name.</summary>
    public IReadOnlyDictionary<string, string> Metadata { get; }

    /// <summary>The tensor of that name, or null where the file has none.</summary>
    public TensorEntry? Find(string name) => _byName.GetValueOrDefault(name);

    /// <summary>Reads a tensor of type F32, bit by bit as it was written, or BF16, each value widened.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="values">As many as the tensor has, in row order.</param>
    /// <exception cref="UserErrorException">The file has no such tensor, has it in another type, or cannot be read.</exception>
    public void Read(string name, Span<float> values)
    {
        var tensor = Find(name) ?? throw Unreadable(new FormatException($"it has no tensor {name}"));
        if (tensor.Count != values.Length)
            throw new ArgumentException($"The tensor {name} has {tensor.Count} values, there is room for {values.Length}.", nameof(values));
        try
        {
            switch (tensor.Type)
            {
                case "F32":
                    ReadSingles(values, _data + tensor.Begin);
                    break;
                case "BF16":
                    ReadBrainFloats(values, _data + tensor.Begin);
                    break;
                default:
                    throw new FormatException($"the tensor {name} is {tensor.Type}; F32 and BF16 can be read");
            }
        }
        catch (Exception e) when (e is IOException or FormatException)
        {
            throw Unreadable(e);
        }
    }

    /// <summary>Reads a tensor of any type as its bytes.</summary>
    /// <param name="name">Its name.</param>
    /// <param name="type">The type that it must have.</param>
    /// <param name="bytes">As many as the tensor has: values in row order, little-endian.</param>
    /// <exception cref="UserErrorException">The file has no such tensor, has it in another type or size, or cannot be read.</exception>
    public void ReadBytes(string name, string type, Span<byte> bytes)
    {
        var tensor = Find(name) ?? throw Unreadable(new FormatException($"it has no tensor {name}"));
        if (tensor.Type != type)
            throw Unreadable(new FormatException($"the tensor {name} is {tensor.Type} and not {type}"));
        if (tensor.End - tensor.Begin != bytes.Length)
            throw Unreadable(new FormatException($"the tensor {name} has {tensor.End - tensor.Begin} bytes and not {bytes.Length}"));
        try
        {
            Fill(bytes, _data + tensor.Begin);
        }
        catch (Exception e) when (e is IOException or FormatException)
        {
            throw Unreadable(e);
        }
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => _file.Dispose();

    private void ReadSingles(Span<float> values, long offset)
    {
        while (!values.IsEmpty)
        {
            var piece = values[..Math.Min(values.Length, FlatBytes.Piece)];
            Fill(MemoryMarshal.AsBytes(piece), offset);
            offset += piece.Length * sizeof(float);
            values = values[piece.Length..];
        }
    }

    private void ReadBrainFloats(Span<float> values, long offset)
    {
        var buffer = ArrayPool<ushort>.Shared.Rent(FlatBytes.Piece);
        while (!values.IsEmpty)
        {
            var piece = buffer.AsSpan(0, Math.Min(values.Length, FlatBytes.Piece));
            Fill(MemoryMarshal.AsBytes(piece), offset);
            for (var i = 0; i < piece.Length; i++)
                values[i] = BitConverter.UInt32BitsToSingle((uint)piece[i] << 16);
            offset += piece.Length * sizeof(ushort);
            values = values[piece.Length..];
        }

        ArrayPool<ushort>.Shared.Return(buffer);
    }

    private void Fill(Span<byte> bytes, long offset)
    {
        while (!bytes.IsEmpty)
        {
            var count = RandomAccess.Read(_file, bytes, offset);
            if (count == 0)
                throw new FormatException("it was cut short while it was read");
            offset += count;
            bytes = bytes[count..];
        }
    }

    private UserErrorException Unreadable(Exception e) => e is FormatException
        ? new UserErrorException(
            $"{_path} is no valid safetensors file: {e.Message}.", "It was cut short or changed; restore it, or use another one.", e)
        : new UserErrorException($"{_path} cannot be read ({e.Message.TrimEnd('.')}).", "Check that it exists and may be read.", e);
}
