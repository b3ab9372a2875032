using System.Buffers.Binary;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Files;
using Microsoft.Win32.SafeHandles;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>The ids of a partition's documents by their index: an offset for each, then the ids in UTF-8. One is found without reading the others.</summary>
internal static class IdFile
{
    private const int OffsetBytes = sizeof(long);

    /// <summary>Writes the file.</summary>
    public static void Write(string path, IReadOnlyList<string> ids)
    {
        var table = new byte[(ids.Count + 2) * OffsetBytes];
        using var text = new MemoryStream();
        BinaryPrimitives.WriteInt64LittleEndian(table, ids.Count);
        for (var i = 0; i < ids.Count; i++)
        {
            BinaryPrimitives.WriteInt64LittleEndian(table.AsSpan((i + 1) * OffsetBytes), table.Length + text.Length);
            text.Write(Encoding.UTF8.GetBytes(ids[i]));
        }

        BinaryPrimitives.WriteInt64LittleEndian(table.AsSpan((ids.Count + 1) * OffsetBytes), table.Length + text.Length);
        AtomicWrite.AllBytes(path, [.. table, .. text.GetBuffer().AsSpan(0, (int)text.Length)]);
    }

    /// <summary>The id at an index.</summary>
    /// <exception cref="UserErrorException">The file is missing or damaged.</exception>
    public static string Get(string path, int index)
    {
        try
        {
            using var file = File.OpenHandle(path);
            var bounds = Read(file, (index + 1L) * OffsetBytes, 2 * OffsetBytes);
            var (start, end) = (BinaryPrimitives.ReadInt64LittleEndian(bounds), BinaryPrimitives.ReadInt64LittleEndian(bounds.AsSpan(OffsetBytes)));
            return Encoding.UTF8.GetString(Read(file, start, checked((int)(end - start))));
        }
        catch (Exception error) when (error is IOException or OverflowException)
        {
            throw new UserErrorException($"{path} is missing or damaged ({error.Message.TrimEnd('.')}).", "Delete the corpus' folder done and build again.", error);
        }
    }

    private static byte[] Read(SafeFileHandle file, long at, int count)
    {
        var bytes = new byte[count];
        var filled = 0;
        while (filled < count)
        {
            var read = RandomAccess.Read(file, bytes.AsSpan(filled), at + filled);
            if (read == 0)
                throw new EndOfStreamException("it ends too early");
            filled += read;
        }

        return bytes;
    }
}
