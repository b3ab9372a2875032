using Cluster.Core.Errors;
using Cluster.Data.Tokens;

namespace Cluster.Data.Corpus.Recipes;

/// <summary>
/// The byte-pair vocabulary that is learnt from a corpus as part of its build: from all its texts, those that a run holds out for
/// validation included, each as often as it stands in the corpus.
/// </summary>
public sealed record VocabularyRecipe
{
    /// <summary>Ids, special tokens included, 272 to 1,000,000.</summary>
    public int Vocabulary { get; init; } = 8_192;

    internal void Validate()
    {
        if (Vocabulary is < BytePairTrainer.SmallestVocabulary or > BytePairTrainer.LargestVocabulary)
        {
            throw new UserErrorException(
                FormattableString.Invariant($"tokenizer.vocabulary is {Vocabulary}."),
                FormattableString.Invariant($"Give {BytePairTrainer.SmallestVocabulary} to {BytePairTrainer.LargestVocabulary}."));
        }
    }
}
