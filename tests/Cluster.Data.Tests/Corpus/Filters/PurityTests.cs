using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Filters;
using Cluster.Data.Corpus.Language;
using Cluster.Data.Corpus.Privacy;
using Cluster.Data.Corpus.Quality;
using CsCheck;

namespace Cluster.Data.Tests.Corpus.Filters;

public class PurityTests
{
    private static readonly string[] Pieces =
    [
        "the", "of", "and", "Word", "naïve", "日本", "...", "#", "\n", "\n\n", "- ", "• ", "{", "<p>", "&amp;", "lorem ipsum", ".", "!", "a@b.co", "+49 30 1234567",
        "8.8.4.4", "\uFFFD", "Ã©", "\uD83D\uDE00", "1234", "It is here.", "And so on it goes.", "javascript",
    ];

    private static IReadOnlyList<IDocumentStage> Stages { get; } =
    [
        .. FilterPreset.Web.Stages(), .. FilterPreset.ShortForm.Stages(), new PersonalData(), new LanguageIdentification(new LanguageOptions { MinimumProbability = 0.3 }), new LearnedQuality(),
    ];

    [Fact]
    public void Apply_InAnyOrderAndOnAnyThread_IsTheSame() =>
        Gen.Int[0, Pieces.Length - 1].List[0, 200].Select(list => string.Join(' ', list.Select(i => Pieces[i]))).Array[2, 8].Sample(texts =>
        {
            // Copies of the strings, so that no view of one is found by its reference.
            var alone = texts.Select(text => Stages.Select(stage => Describe(stage.Apply(Fixtures.Document("d", new string(text))))).ToArray()).ToArray();
            var together = new string[texts.Length][];
            Parallel.For(0, texts.Length, i => together[i] = new string[Stages.Count]);
            Parallel.For(0, texts.Length * Stages.Count, k =>
            {
                // Stage by stage and not document by document, from the last to the first.
                var at = texts.Length * Stages.Count - 1 - k;
                together[at % texts.Length][at / texts.Length] = Describe(Stages[at / texts.Length].Apply(Fixtures.Document("d", texts[at % texts.Length])));
            });

            Assert.Equal(alone, together);
        }, iter: 40, threads: 1);

    [Fact]
    public void Names_OfPresets_AreTheOnesThatRecipesUse() =>
        Assert.Equal(
            ["plain-text", "encoding-damage", "markup-left", "gopher-quality", "gopher-repetition", "fineweb", "c4"], FilterPreset.Web.Stages().Select(stage => stage.Name));

    [Fact]
    public void ShortForm_OneSentenceOfReference_IsKept()
    {
        const string text = "# Widget.Sell(Int32)\n\nSells pieces of the widget, and takes them out of the stock.\n\n`count`: The number of pieces to sell at once.";

        Assert.All(FilterPreset.ShortForm.Stages(), stage => Assert.Null(stage.Apply(text).Drop));
        Assert.Contains(FilterPreset.Web.Stages(), stage => stage.Apply(text).Drop is not null);
    }

    private static string Describe(StageOutcome outcome) =>
        $"{outcome.Drop?.Rule} {outcome.Drop?.Value:R} {outcome.Document.Text} {outcome.Document.Quality:R} {string.Join(',', outcome.Document.Scores.Select(s => $"{s.Name}={s.Value:R}"))}";
}
