using System.Globalization;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus;

/// <summary>How a corpus is made of its source. Everything but <see cref="Workers"/> decides the result.</summary>
public sealed record CorpusOptions
{
    /// <summary>Share of the groups to train on, in (0, 1].</summary>
    public double TrainFraction { get; init; } = 0.90;

    /// <summary>Share of the groups held out to watch training, in [0, 1); 0 leaves the part empty on purpose.</summary>
    public double ValidationFraction { get; init; } = 0.05;

    /// <summary>Share of the groups held out to the end, in [0, 1); 0 leaves the part empty on purpose.</summary>
    public double TestFraction { get; init; } = 0.05;

    /// <summary>The run's seed: which groups are held out, which phrasing a question gets.</summary>
    public ulong Seed { get; init; }

    /// <summary>Fewest visible characters of a document, at least 1.</summary>
    public int MinimumCharacters { get; init; } = 80;

    /// <summary>Most bytes (UTF-8) of curated text, 0 for all.</summary>
    public long MaximumBytes { get; init; }

    /// <summary>
    /// Share of a held-out document's 13-grams that may occur in training text before it is removed from the held-out part, in [0, 1];
    /// null removes none. Off by default: the figure is reported either way, and removing documents until it looks good would hide what
    /// a new type of this library is like.
    /// </summary>
    public double? MaximumHeldOutOverlap { get; init; }

    /// <summary>Shortest answer of a dialogue in characters, at least 1.</summary>
    public int MinimumAnswerCharacters { get; init; } = 20;

    /// <summary>Longest answer of a dialogue in characters, at least <see cref="MinimumAnswerCharacters"/>.</summary>
    public int MaximumAnswerCharacters { get; init; } = 400;

    /// <summary>Files and documents worked on at a time, at least 1. The result does not depend on it.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>Returns the options if all values are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names field, value and range.</exception>
    public CorpusOptions Validate()
    {
        Check(TrainFraction is > 0 and <= 1, "train_fraction", TrainFraction, "above 0 and at most 1");
        Check(ValidationFraction is >= 0 and < 1, "validation_fraction", ValidationFraction, "from 0 to below 1");
        Check(TestFraction is >= 0 and < 1, "test_fraction", TestFraction, "from 0 to below 1");
        var sum = TrainFraction + ValidationFraction + TestFraction;
        Check(Math.Abs(sum - 1) < 1e-9, "train_fraction + validation_fraction + test_fraction", sum, "1");
        Check(MinimumCharacters >= 1, "minimum_characters", MinimumCharacters, "at least 1");
        Check(MaximumBytes >= 0, "maximum_bytes", MaximumBytes, "0 (all) or more");
        Check(MaximumHeldOutOverlap is null or (>= 0 and <= 1), "maximum_held_out_overlap", MaximumHeldOutOverlap ?? 0, "from 0 to 1");
        Check(MinimumAnswerCharacters >= 1, "minimum_answer_characters", MinimumAnswerCharacters, "at least 1");
        Check(
            MaximumAnswerCharacters >= MinimumAnswerCharacters, "maximum_answer_characters", MaximumAnswerCharacters,
            "at least minimum_answer_characters");
        Check(Workers >= 1, "workers", Workers, "at least 1");
        return this;
    }

    private static void Check(bool condition, string field, double value, string range)
    {
        if (!condition)
            throw new UserErrorException(string.Create(CultureInfo.InvariantCulture, $"{field} is {value}."), $"Give {range}.");
    }
}
