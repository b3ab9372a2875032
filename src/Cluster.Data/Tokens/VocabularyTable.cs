// Enters: one trained tokenizer and sample text. Leaves: how well smaller vocabularies compress. Does not know: models.

using System.Text;
using Cluster.Core.Errors;

namespace Cluster.Data.Tokens;

/// <summary>One line of the table: a vocabulary of <paramref name="VocabularySize"/> ids cuts the sample into <paramref name="Tokens"/> tokens.</summary>
public readonly record struct VocabularyTableRow(int VocabularySize, long Bytes, long Tokens)
{
    /// <summary>UTF-8 bytes per token: higher is shorter sequences.</summary>
    public double BytesPerToken => (double)Bytes / Tokens;

    /// <summary>Tokens per UTF-8 byte, the inverse.</summary>
    public double TokensPerByte => (double)Tokens / Bytes;
}

/// <summary>
/// A table to choose the vocabulary size from. Merges are learnt in order, so every smaller vocabulary is a prefix of the largest
/// one's merges, and one training run serves all.
/// </summary>
public static class VocabularyTable
{
    /// <summary>Measures <paramref name="sample"/> at each of <paramref name="vocabularySizes"/>, special tokens included.</summary>
    /// <exception cref="UserErrorException">A size is below 272 or above the tokenizer's, or the sample is empty.</exception>
    public static IReadOnlyList<VocabularyTableRow> Measure(
        BytePairTokenizer largest, IReadOnlyCollection<string> sample, IEnumerable<int> vocabularySizes)
    {
        const int smallest = 256 + SpecialTokens.Count;
        var bytes = sample.Sum(static text => (long)Encoding.UTF8.GetByteCount(text));
        if (bytes == 0)
            throw new UserErrorException("The sample text is empty.", "Give some text to measure the vocabularies on.");
        var rows = new List<VocabularyTableRow>();
        foreach (var size in vocabularySizes)
        {
            if (size < smallest || size > largest.VocabularySize)
                throw new UserErrorException(
                    FormattableString.Invariant($"The vocabulary size is {size}."),
                    FormattableString.Invariant($"Give sizes from {smallest} to the trained {largest.VocabularySize}."));
            var tokenizer = largest.WithFirstMerges(size - smallest);
            rows.Add(new VocabularyTableRow(size, bytes, sample.Sum(text => (long)tokenizer.Encode(text).Length)));
        }

        return rows;
    }
}
