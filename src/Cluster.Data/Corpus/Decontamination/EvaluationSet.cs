using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Decontamination;

/// <summary>Texts that must not be trained on.</summary>
/// <param name="Name">As benchmarks call it: "arc-easy"; unique.</param>
/// <param name="Items">Each question, with its answer if that is text too, in the benchmark's order.</param>
public sealed record EvaluationSet(string Name, IReadOnlyList<string> Items)
{
    /// <summary>Words per n-gram, 1 to 64; null for the options' own.</summary>
    public int? Words { get; init; }

    /// <summary>
    /// GPT-3's choice of n for a set (Brown et al. 2020, appendix C): the 5th percentile of its items' lengths in words, at least 8 and
    /// at most 13.
    /// </summary>
    public static int AdaptedWords(IReadOnlyList<string> items)
    {
        if (items.Count == 0)
            return NgramOverlap.DefaultN;
        var lengths = items.Select(item =>
        {
            var words = 0;
            foreach (var _ in Corpus.Words.Of(item))
                words++;
            return words;
        }).Order().ToArray();
        return Math.Clamp(lengths[(lengths.Length - 1) / 20], 8, NgramOverlap.DefaultN);
    }
}

/// <summary>What happens to a document that shares n-grams with an evaluation set.</summary>
public enum DecontaminationAction
{
    /// <summary>It stays, with its counts.</summary>
    Record,

    /// <summary>The n-grams go, with a margin on each side.</summary>
    RemoveSpans,

    /// <summary>It goes.</summary>
    DropDocument,
}

/// <summary>How evaluation text is found and removed. The defaults of spans are GPT-3's (Brown et al. 2020, appendix C).</summary>
public sealed record DecontaminationOptions
{
    /// <summary>Words per n-gram, 1 to 64.</summary>
    public int Words { get; init; } = NgramOverlap.DefaultN;

    /// <summary>An item of fewer words than an n-gram counts as one n-gram if it has this many; shorter ones match too much by chance. 1 to 64.</summary>
    public int MinimumWords { get; init; } = 8;

    /// <summary>What happens to a document that is hit.</summary>
    public DecontaminationAction Action { get; init; } = DecontaminationAction.DropDocument;

    /// <summary>A document is hit from this many matching n-grams on, all sets together; 1 or more.</summary>
    public int MinimumHits { get; init; } = 1;

    /// <summary>Characters that go on each side of a matching n-gram, 0 or more.</summary>
    public int SpanMargin { get; init; } = 200;

    /// <summary>What is left between removed spans goes too if it has fewer characters; 0 or more.</summary>
    public int MinimumPiece { get; init; } = 200;

    /// <summary>A document that falls into more pieces goes altogether; 1 or more.</summary>
    public int MaximumPieces { get; init; } = 10;

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="UserErrorException">A value is out of range; it is named.</exception>
    public DecontaminationOptions Validate()
    {
        Check("words", Words, 1, 64);
        Check("minimum_words", MinimumWords, 1, 64);
        Check("minimum_hits", MinimumHits, 1, int.MaxValue);
        Check("span_margin", SpanMargin, 0, 1_000_000);
        Check("minimum_piece", MinimumPiece, 0, 1_000_000);
        Check("maximum_pieces", MaximumPieces, 1, int.MaxValue);
        return this;
    }

    internal static void Check(string name, int value, int least, int most)
    {
        if (value < least || value > most)
            throw new UserErrorException(FormattableString.Invariant($"{name} is {value}."), FormattableString.Invariant($"Give {least} to {most}."));
    }
}
