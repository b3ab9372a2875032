using System.Text;
using Cluster.Inference.Generation;

namespace Cluster.Inference.Tests;

/// <summary>Ids as two-letter words.</summary>
internal sealed class Words(int count) : ITokenText
{
    private readonly byte[][] _bytes = [.. Enumerable.Range(0, count).Select(id => Encoding.UTF8.GetBytes(Text(id)))];

    public int Count => count;

    public ReadOnlySpan<byte> Bytes(int id) => _bytes[id];

    public static string Text(int id) => $"{(char)('a' + id / 10)}{(char)('a' + id % 10)}";
}
