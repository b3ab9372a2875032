using System.Text;
using Cluster.Data.Corpus;

namespace Cluster.Data.Tests.Corpus.Filters;

/// <summary>Texts with known figures, and what a stage says of them.</summary>
internal static class Planted
{
    /// <summary>Distinct words of six letters, single blanks between.</summary>
    public static string Words(int count, int from = 0) => string.Join(' ', Enumerable.Range(from, count).Select(Word));

    public static string Word(int i) => $"w{(char)('a' + i / 17576 % 26)}{(char)('a' + i / 676 % 26)}{(char)('a' + i / 26 % 26)}{(char)('a' + i % 26)}x";

    /// <summary>A text filled up to a length with one long word of its own.</summary>
    public static string Filled(string text, int length) => new StringBuilder(text).Append(' ').Append('z', length - text.Length - 1).ToString();

    public static StageOutcome Apply(this IDocumentStage stage, string text) => stage.Apply(Fixtures.Document("d", text));

    /// <summary>The text passes unchanged, or is dropped by exactly this rule.</summary>
    public static void Expect(this IDocumentStage stage, string text, string? rule)
    {
        var outcome = stage.Apply(text);
        Assert.Equal(rule, outcome.Drop?.Rule);
        Assert.Equal(text, outcome.Document.Text);
    }

    public static void Expect(this IDocumentStage stage, string text, string rule, double value, double limit)
    {
        var drop = stage.Apply(text).Drop;
        Assert.NotNull(drop);
        Assert.Equal(rule, drop.Rule);
        Assert.Equal(value, drop.Value!.Value, 12);
        Assert.Equal(limit, drop.Limit);
    }
}
