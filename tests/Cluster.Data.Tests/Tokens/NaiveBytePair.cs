using System.Text;
using Cluster.Data.Tokens;

namespace Cluster.Data.Tests.Tokens;

/// <summary>Byte-pair encoding as its definition reads: everything counted anew for each merge, each merge applied to everything.</summary>
internal static class NaiveBytePair
{
    public static List<string> Pieces(string text)
    {
        var pieces = new List<string>();
        for (var at = 0; at < text.Length; at += pieces[^1].Length)
            pieces.Add(text.Substring(at, PreTokenizer.FirstPieceLength(text.AsSpan(at))));
        return pieces;
    }

    public static List<Merge> Train(IEnumerable<string> documents, int merges, long minimumCount) =>
        Train(documents.SelectMany(Pieces).Select(piece => (Encoding.UTF8.GetBytes(piece), 1L)), merges, minimumCount);

    public static List<Merge> Train(IEnumerable<(byte[] Bytes, long Count)> pieces, int merges, long minimumCount)
    {
        var words = pieces.Select(piece => (Tokens: piece.Bytes.Select(b => (int)b).ToList(), piece.Count)).ToList();
        var learnt = new List<Merge>();
        while (learnt.Count < merges)
        {
            var best = words
                .SelectMany(word => word.Tokens.Zip(word.Tokens.Skip(1), (left, right) => (Pair: new Merge(left, right), word.Count)))
                .GroupBy(one => one.Pair, one => one.Count)
                .Select(group => (Pair: group.Key, Count: group.Sum()))
                .Where(group => group.Count >= minimumCount)
                .OrderByDescending(group => group.Count).ThenBy(group => group.Pair.Left).ThenBy(group => group.Pair.Right)
                .FirstOrDefault();
            if (best.Count == 0)
                break;
            words = [.. words.Select(word => (Replace(word.Tokens, best.Pair, 256 + learnt.Count), word.Count))];
            learnt.Add(best.Pair);
        }

        return learnt;
    }

    public static List<int> Encode(ReadOnlySpan<byte> piece, IReadOnlyList<Merge> merges)
    {
        var tokens = new List<int>();
        foreach (var b in piece)
            tokens.Add(b);
        for (var i = 0; i < merges.Count; i++)
            tokens = Replace(tokens, merges[i], 256 + i);
        return tokens;
    }

    private static List<int> Replace(List<int> tokens, Merge pair, int made)
    {
        var result = new List<int>();
        for (var i = 0; i < tokens.Count; i++)
            if (i + 1 < tokens.Count && tokens[i] == pair.Left && tokens[i + 1] == pair.Right)
            {
                result.Add(made);
                i++;
            }
            else
                result.Add(tokens[i]);
        return result;
    }
}
