namespace Cluster.Inference.Constraints;

/// <summary>
/// The masks of one format, kept by state. A state's mask is a function of the state, so what is kept changes no answer. May be asked
/// from several threads.
/// </summary>
internal sealed class FormatMasks(TokenTrie trie, JsonGrammar grammar)
{
    /// <summary>Most masks kept; one more, and all are forgotten.</summary>
    public const int MaxMasks = 256;

    private readonly Dictionary<JsonState, ulong[]> _masks = [];

    /// <summary>
    /// Where each reply begins. States are equal within one grammar only, so replies whose formats are equal, but were compiled each for
    /// itself, take the one that was here first.
    /// </summary>
    public JsonState Start { get; } = JsonState.Start(grammar);

    /// <summary>Masks kept now.</summary>
    public int Count
    {
        get
        {
            lock (_masks)
                return _masks.Count;
        }
    }

    /// <summary>One bit for each id, set if its bytes may come next.</summary>
    public ReadOnlySpan<ulong> Of(JsonState state)
    {
        state = state.SeenFrom(trie.LongestToken);
        lock (_masks)
        {
            if (_masks.TryGetValue(state, out var kept))
                return kept;
        }

        var mask = trie.Allowed(state);
        lock (_masks)
        {
            if (_masks.Count == MaxMasks)
                _masks.Clear();
            _masks[state] = mask;
        }

        return mask;
    }
}
