// One reply's format. Enters: its tokens. Leaves: the ids that may come next. Does not know: logits, options but for the stop tokens.
using Cluster.Core.Errors;
using Cluster.Inference.Generation;

namespace Cluster.Inference.Constraints;

/// <summary>
/// Until the document is complete, the tokens all of whose bytes may come next; tokens without bytes never. Once it is, the stop tokens
/// too, and nothing else unless it may go on (a number's digits).
/// </summary>
internal sealed class FormatConstraint : ITokenConstraint
{
    private readonly ITokenText _tokens;
    private readonly FormatMasks _masks;
    private readonly IReadOnlyList<int> _stops;
    private readonly ulong[] _allowed;
    private JsonState _state;

    /// <param name="format">The form.</param>
    /// <param name="tokens">The vocabulary.</param>
    /// <param name="stops">Ids that end the reply, at least one.</param>
    /// <exception cref="UserErrorException">The vocabulary lacks a token for a byte that may have to come: a reply could get stuck.</exception>
    public FormatConstraint(ResponseFormat format, ITokenText tokens, IReadOnlyList<int> stops)
    {
        var vocabulary = ConstrainedVocabulary.Of(tokens);
        vocabulary.CheckBytes(stops);
        (_tokens, _stops, _masks) = (tokens, stops, vocabulary.Masks(format));
        _allowed = new ulong[vocabulary.Trie.Words];
        _state = _masks.Start;
    }

    /// <inheritdoc/>
    public ReadOnlySpan<ulong> Allowed()
    {
        _masks.Of(_state).CopyTo(_allowed);
        foreach (var id in _stops)
        {
            ref var word = ref _allowed[id >> 6];
            word = _state.IsComplete ? word | 1UL << id : word & ~(1UL << id);
        }

        return _allowed;
    }

    /// <inheritdoc/>
    public bool Take(int id)
    {
        var bytes = _tokens.Bytes(id);
        if (bytes.IsEmpty || _state.Take(bytes) is not { } next)
            return false;
        _state = next;
        return true;
    }
}
