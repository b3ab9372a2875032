// Which tokens may come next. Enters: the bytes of all tokens, a state. Leaves: a mask. Does not know: schemas, stop tokens, replies.
using Cluster.Inference.Generation;

namespace Cluster.Inference.Constraints;

/// <summary>The bytes of a vocabulary as a tree, in which a beginning that is refused refuses all tokens that share it. Immutable.</summary>
internal sealed class TokenTrie
{
    // Nodes in the order of a walk that visits a node before what is below it.
    private readonly byte[] _bytes;
    private readonly int[] _levels, _ends, _firstTokens, _tokens;

    /// <param name="tokens">The vocabulary. Ids without bytes, special tokens, are not in the tree.</param>
    public TokenTrie(ITokenText tokens)
    {
        Count = tokens.Count;
        _tokens = [.. Enumerable.Range(0, tokens.Count).Where(id => !tokens.Bytes(id).IsEmpty)];
        Array.Sort(_tokens, (x, y) => tokens.Bytes(x).SequenceCompareTo(tokens.Bytes(y)) is var order and not 0 ? order : x - y);
        List<byte> bytes = [];
        List<int> levels = [], ends = [], firstTokens = [], path = [];
        for (var i = 0; i < _tokens.Length; i++)
        {
            var token = tokens.Bytes(_tokens[i]);
            var common = i == 0 ? 0 : token.CommonPrefixLength(tokens.Bytes(_tokens[i - 1]));
            Close(common);
            foreach (var b in token[common..])
            {
                path.Add(bytes.Count);
                bytes.Add(b);
                levels.Add(path.Count - 1);
                ends.Add(0);
                firstTokens.Add(i);
            }

            LongestToken = Math.Max(LongestToken, path.Count);
        }

        Close(0);
        firstTokens.Add(_tokens.Length);
        (_bytes, _levels, _ends, _firstTokens) = ([.. bytes], [.. levels], [.. ends], [.. firstTokens]);

        void Close(int level)
        {
            foreach (var node in path.Skip(level))
                ends[node] = bytes.Count;
            path.RemoveRange(level, path.Count - level);
        }
    }

    /// <summary>Ids are below this.</summary>
    public int Count { get; }

    /// <summary>Bytes of the longest token.</summary>
    public int LongestToken { get; }

    /// <summary>Words of 64 bits in a mask.</summary>
    public int Words => (Count + 63) / 64;

    /// <summary>The ids of the tokens that are this byte alone.</summary>
    public ReadOnlySpan<int> Single(byte b)
    {
        for (var node = 0; node < _bytes.Length; node = _ends[node])
        {
            if (_bytes[node] == b)
                return TokensAt(node);
        }

        return [];
    }

    /// <summary>One bit for each id, set if the token's bytes may come next.</summary>
    public ulong[] Allowed(JsonState state)
    {
        var mask = new ulong[Words];
        var readings = new Readings();
        readings.Add(state.Readings);
        // Where the readings after so many bytes begin.
        var starts = new int[LongestToken + 2];
        starts[1] = readings.Count;
        for (var node = 0; node < _bytes.Length;)
        {
            var level = _levels[node];
            readings.Count = starts[level + 1];
            if (!readings.Step(starts[level], starts[level + 1], _bytes[node]))
            {
                node = _ends[node];
                continue;
            }

            starts[level + 2] = readings.Count;
            foreach (var id in TokensAt(node))
                mask[id >> 6] |= 1UL << id;
            node++;
        }

        return mask;
    }

    private ReadOnlySpan<int> TokensAt(int node) => _tokens.AsSpan(_firstTokens[node], _firstTokens[node + 1] - _firstTokens[node]);
}
