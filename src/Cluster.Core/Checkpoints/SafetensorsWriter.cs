using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Cluster.Core.Errors;

namespace Cluster.Core.Checkpoints;

/// <summary>Writes one safetensors file from front to back and hashes it on the way.</summary>
public sealed class SafetensorsWriter : IDisposable
{
    private readonly string _path;
    private readonly SafetensorsHeader _header;
    private readonly IncrementalHash _hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
    private readonly FileStream _file;
    private int _written;

    internal SafetensorsWriter(string path, IReadOnlyList<TensorShape> tensors, IReadOnlyDictionary<string, string> metadata)
    {
        _path = path;
        _header = SafetensorsHeader.Place(tensors, metadata);
        var json = _header.ToBytes();
        if (json.Length > Safetensors.HeaderLimit)
            throw new ArgumentException($"The header takes {json.Length} bytes, {Safetensors.HeaderLimit} are allowed.", nameof(tensors));
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, json.Length);
        FileStream? file = null;
        try
        {
            // The whole size is claimed at once: a disk that is too full says so before anything is written.
            file = new FileStream(path, new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.Write,
                Share = FileShare.Read,
                BufferSize = 0,
                PreallocationSize = length.Length + json.Length + (_header.Tensors.Count == 0 ? 0 : _header.Tensors[^1].End),
            });
            _file = file;
            Append(length);
            Append(json);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            file?.Dispose();
            _hash.Dispose();
            throw Unwritable(e);
        }
    }

    /// <summary>Writes the next tensor, of type F32.</summary>
    /// <param name="name">Its name, for the check that tensors come in their order.</param>
    /// <param name="values">All its values, in row order.</param>
    /// <exception cref="UserErrorException">The file cannot be written.</exception>
    public void Write(string name, ReadOnlySpan<float> values)
    {
        var tensor = Next(name);
        if (tensor.Type != "F32")
            throw new ArgumentException($"The tensor {name} is {tensor.Type} and was given in F32.", nameof(values));
        if (tensor.Count != values.Length)
            throw new ArgumentException($"The tensor {name} has {tensor.Count} values, {values.Length} were given.", nameof(values));
        try
        {
            while (!values.IsEmpty)
            {
                var piece = values[..Math.Min(values.Length, FlatBytes.Piece)];
                Append(MemoryMarshal.AsBytes(piece));
                values = values[piece.Length..];
            }
        }
        catch (IOException e)
        {
            throw Unwritable(e);
        }

        _written++;
    }

    /// <summary>Writes the next tensor, of any type, as its bytes.</summary>
    /// <param name="name">Its name, for the check that tensors come in their order.</param>
    /// <param name="bytes">All of them: values in row order, little-endian.</param>
    /// <exception cref="UserErrorException">The file cannot be written.</exception>
    public void WriteBytes(string name, ReadOnlySpan<byte> bytes)
    {
        var tensor = Next(name);
        if (tensor.End - tensor.Begin != bytes.Length)
            throw new ArgumentException($"The tensor {name} has {tensor.End - tensor.Begin} bytes, {bytes.Length} were given.", nameof(bytes));
        try
        {
            Append(bytes);
        }
        catch (IOException e)
        {
            throw Unwritable(e);
        }

        _written++;
    }

    /// <summary>Flushes the file to disk once all tensors are written.</summary>
    /// <returns>Its name, length and hash.</returns>
    /// <exception cref="UserErrorException">The file cannot be written.</exception>
    public CheckpointFile Complete()
    {
        if (_written != _header.Tensors.Count)
            throw new InvalidOperationException($"The tensor {_header.Tensors[_written].Name} was not written.");
        try
        {
            _file.Flush(flushToDisk: true);
            return new CheckpointFile(Path.GetFileName(_path), _file.Position, Convert.ToHexStringLower(_hash.GetCurrentHash()));
        }
        catch (IOException e)
        {
            throw Unwritable(e);
        }
    }

    /// <summary>Closes the file as it is.</summary>
    public void Dispose()
    {
        _file.Dispose();
        _hash.Dispose();
    }

    private TensorEntry Next(string name) => _written < _header.Tensors.Count && _header.Tensors[_written].Name == name
        ? _header.Tensors[_written]
        : throw new InvalidOperationException($"The tensor {name} is not the next one.");

    private void Append(ReadOnlySpan<byte> bytes)
    {
        _hash.AppendData(bytes);
        _file.Write(bytes);
    }

    private UserErrorException Unwritable(Exception e) =>
        new($"{_path} cannot be written ({e.Message.TrimEnd('.')}).", "Check that the folder is writable and the disk has space.", e);
}
