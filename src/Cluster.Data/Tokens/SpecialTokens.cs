// Enters: the first of 16 consecutive ids. Leaves: the ids and spellings of the special tokens.
// Does not know: which tokenizer they belong to, nor what a chat looks like (ChatTemplate does).

using System.Collections.Immutable;

namespace Cluster.Data.Tokens;

/// <summary>The special tokens of a vocabulary: its last <see cref="Count"/> ids, in the order of <see cref="Spellings"/>.</summary>
public sealed class SpecialTokens
{
    /// <summary>How many special tokens every vocabulary has.</summary>
    public const int Count = 16;

    /// <summary>The spellings in the order of their ids.</summary>
    public static ImmutableArray<string> Spellings { get; } =
    [
        "<|begin_of_text|>", "<|endoftext|>", "<|system|>", "<|user|>", "<|assistant|>", "<|pad|>",
        .. Enumerable.Range(0, Count - 6).Select(static i => $"<|reserved_{i}|>"),
    ];

    /// <param name="firstId">The id of the first special token, which is the number of ordinary tokens; 1 or more.</param>
    public SpecialTokens(int firstId)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(firstId, 1);
        FirstId = firstId;
    }

    /// <summary>The id of the first special token.</summary>
    public int FirstId { get; }

    /// <summary>Opens a document or a conversation.</summary>
    public int BeginOfText => FirstId;

    /// <summary>Ends a document or an assistant's turn; generation stops here.</summary>
    public int EndOfText => FirstId + 1;

    /// <summary>Opens the system's turn.</summary>
    public int System => FirstId + 2;

    /// <summary>Opens the user's turn.</summary>
    public int User => FirstId + 3;

    /// <summary>Opens the assistant's turn.</summary>
    public int Assistant => FirstId + 4;

    /// <summary>Fills a row after its sample's end; never a target.</summary>
    public int Pad => FirstId + 5;

    /// <summary>The id of reserved token <paramref name="index"/>, 0 to 9.</summary>
    public int Reserved(int index)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(index);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(index, Count - 7);
        return FirstId + 6 + index;
    }

    /// <summary>Whether <paramref name="id"/> is a special token's.</summary>
    public bool Contains(int id) => id >= FirstId && id < FirstId + Count;

    /// <summary>The spelling of special token <paramref name="id"/>.</summary>
    public string Spelling(int id) => Contains(id)
        ? Spellings[id - FirstId]
        : throw new ArgumentOutOfRangeException(nameof(id), id, "Not a special token's id.");

    /// <summary>Finds the first special spelling in <paramref name="text"/>.</summary>
    /// <param name="text">The text to search.</param>
    /// <param name="id">The token's id.</param>
    /// <param name="length">Chars of the spelling.</param>
    /// <returns>The position of the spelling's first char, or -1 if the text spells none.</returns>
    public int IndexOf(ReadOnlySpan<char> text, out int id, out int length)
    {
        for (var from = 0; ; from++)
        {
            var at = text[from..].IndexOf("<|", StringComparison.Ordinal);
            if (at < 0)
            {
                (id, length) = (-1, 0);
                return -1;
            }

            from += at;
            for (var i = 0; i < Count; i++)
                if (text[from..].StartsWith(Spellings[i], StringComparison.Ordinal))
                {
                    (id, length) = (FirstId + i, Spellings[i].Length);
                    return from;
                }
        }
    }
}
