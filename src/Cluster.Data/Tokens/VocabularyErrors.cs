using Cluster.Core.Errors;

namespace Cluster.Data.Tokens;

/// <summary>The complaint that all tokenizers share.</summary>
internal static class VocabularyErrors
{
    public static UserErrorException OutOfRange(int id, int vocabularySize) => new(
        FormattableString.Invariant($"Token id {id} is outside the vocabulary."),
        FormattableString.Invariant($"Give ids from 0 to {vocabularySize - 1}, made with the same tokenizer."));
}
