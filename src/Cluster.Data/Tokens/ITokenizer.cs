namespace Cluster.Data.Tokens;

/// <summary>
/// Text to token ids and back. Implementations are immutable to their callers and may be used from any number of threads.
/// Ids are 0 to <see cref="VocabularySize"/> - 1; the last <see cref="SpecialTokens.Count"/> are the special tokens.
/// </summary>
public interface ITokenizer
{
    /// <summary>Number of ids, special tokens included.</summary>
    int VocabularySize { get; }

    /// <summary>The ids and spellings of the special tokens.</summary>
    SpecialTokens Special { get; }

    /// <summary>The ids of <paramref name="text"/>.</summary>
    /// <param name="text">Any text; a lone surrogate is read as U+FFFD.</param>
    /// <param name="allowSpecial">Whether a special token's spelling in the text becomes that token. Off, it stays plain text.</param>
    int[] Encode(string text, bool allowSpecial = false);

    /// <summary>Appends the ids of <paramref name="text"/> to <paramref name="destination"/>; never a special token.</summary>
    void Encode(ReadOnlySpan<char> text, List<int> destination);

    /// <summary>The ids of UTF-8 <paramref name="bytes"/>, which may be invalid; never a special token.</summary>
    int[] EncodeBytes(ReadOnlySpan<byte> bytes);

    /// <summary>The text of <paramref name="ids"/>; bytes that are not UTF-8 read as U+FFFD, special tokens as their spelling.</summary>
    /// <exception cref="Cluster.Core.Errors.UserErrorException">An id is outside the vocabulary.</exception>
    string Decode(ReadOnlySpan<int> ids);

    /// <summary>The bytes that <paramref name="id"/> stands for; a special token's are its spelling's.</summary>
    /// <exception cref="Cluster.Core.Errors.UserErrorException">The id is outside the vocabulary.</exception>
    ReadOnlySpan<byte> TokenBytes(int id);
}
