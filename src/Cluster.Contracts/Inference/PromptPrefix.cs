using System.Runtime.InteropServices;

namespace Cluster.Contracts.Inference;

/// <summary>
/// Names beginnings of a prompt, so that prompts that begin alike go where the beginning is in the cache. Of the text and not of its
/// tokens, which only workers know; a collision costs a detour and nothing else.
/// </summary>
public static class PromptPrefix
{
    /// <summary>Chars, or ids, from one beginning to the next longer one.</summary>
    public const int Stretch = 64;

    /// <summary>Longest beginning that is named, in stretches.</summary>
    public const int MostStretches = 64;

    private const ulong OffsetBasis = 14_695_981_039_346_656_037, Prime = 1_099_511_628_211;

    /// <summary>The names of the prompt's beginnings, the shortest first: FNV-1a (Fowler, Noll, Vo) of 1, 2, … stretches.</summary>
    public static IReadOnlyList<ulong> Of(GenerationRequest request)
    {
        var state = new State();
        if (request.Tokens is { } tokens)
        {
            foreach (var id in tokens)
                state.Add((uint)id);
        }

        if (request.Text is { } text)
            Add(ref state, text);
        foreach (var message in request.Messages ?? [])
        {
            state.Add((uint)message.Role);
            Add(ref state, message.Content);
        }

        return [.. state.Names];
    }

    /// <summary>FNV-1a of a name: the same in every process.</summary>
    public static ulong Hash(string name) => name.Aggregate(OffsetBasis, (hash, c) => (hash ^ c) * Prime);

    private static void Add(ref State state, string text)
    {
        foreach (var c in text)
        {
            if (state.Full)
                return;
            state.Add(c);
        }
    }

    private struct State()
    {
        private ulong _hash = OffsetBasis;
        private int _count;

        public List<ulong> Names { get; } = [];

        public readonly bool Full => Names.Count == MostStretches;

        public void Add(uint value)
        {
            if (Full)
                return;
            foreach (var part in MemoryMarshal.AsBytes(new ReadOnlySpan<uint>(in value)))
                _hash = (_hash ^ part) * Prime;
            if (++_count % Stretch == 0)
                Names.Add(_hash);
        }
    }
}
