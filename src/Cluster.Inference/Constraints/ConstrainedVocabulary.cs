// What constrained replies share. Enters: vocabularies, formats, states. Leaves: masks. Does not know: replies.
using System.Runtime.CompilerServices;
using Cluster.Core.Errors;
using Cluster.Inference.Generation;

namespace Cluster.Inference.Constraints;

/// <summary>A vocabulary's tree and the masks of its formats. May be asked from several threads; what is kept changes no answer.</summary>
internal sealed class ConstrainedVocabulary
{
    /// <summary>Most formats whose masks are kept; one more, and all are forgotten.</summary>
    public const int MaxFormats = 16;

    private static readonly ConditionalWeakTable<ITokenText, ConstrainedVocabulary> s_all = [];
    private readonly Dictionary<ResponseFormat, FormatMasks> _formats = [];

    private ConstrainedVocabulary(ITokenText tokens) => Trie = new TokenTrie(tokens);

    public TokenTrie Trie { get; }

    /// <summary>The one of a vocabulary: made at its first constrained reply, gone with it.</summary>
    public static ConstrainedVocabulary Of(ITokenText tokens) => s_all.GetValue(tokens, static tokens => new ConstrainedVocabulary(tokens));

    /// <summary>The masks of a format.</summary>
    public FormatMasks Masks(ResponseFormat format)
    {
        lock (_formats)
        {
            if (_formats.TryGetValue(format, out var masks))
                return masks;
            if (_formats.Count == MaxFormats)
                _formats.Clear();
            return _formats[format] = new FormatMasks(Trie, format.Grammar);
        }
    }

    /// <summary>
    /// Checks that every byte of JSON text is a token of its own, as in byte-level vocabularies. Some byte can follow whatever was
    /// accepted, so some token can.
    /// </summary>
    /// <param name="stops">Ids that end a reply, and so cannot be part of it.</param>
    /// <exception cref="UserErrorException">A byte has no token.</exception>
    public void CheckBytes(IReadOnlyList<int> stops)
    {
        for (var b = 0x20; b <= 0xF4; b++)
        {
            // In no UTF-8 text.
            if (b is 0xC0 or 0xC1)
                continue;
            var found = false;
            foreach (var id in Trie.Single((byte)b))
                found |= !stops.Contains(id);
            if (!found)
            {
                throw new UserErrorException(
                    $"response_format needs a token for each byte of JSON text; the vocabulary has none for 0x{b:X2} that is not a stop token.",
                    "Use a byte-level tokenizer, and stop tokens that have no text.");
            }
        }
    }
}
