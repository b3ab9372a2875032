// Enters: the curation's figures. Leaves: data_card.md. Does not know: files.

using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using static Cluster.Silo.Reports.Figures;
using static Cluster.Silo.Reports.Markdown;

namespace Cluster.Silo.Reports;

/// <summary>data_card.md: what the text is, where it came from and what was left out.</summary>
internal static class DataCard
{
    /// <summary>The whole document.</summary>
    public static string Compose(RunSummary summary, CorpusReport? corpus)
    {
        var page = new Markdown().Heading(1, $"Data card: {Text(summary.Run)}");
        if (corpus is null)
        {
            page.Paragraph("The curation's figures are not at hand for this run.");
        }
        else
        {
            Source(page, corpus);
            Curation(page, corpus);
            Split(page, corpus);
            Overlap(page, corpus);
            Quality(page, corpus);
            Conversations(page, corpus);
            Hashes(page, corpus);
            Warnings(page, corpus);
        }

        page.Heading(2, "Licence");
        page.Paragraph(CorpusFacts.Licence(corpus));
        return page.ToString();
    }

    private static void Source(Markdown page, CorpusReport corpus) => page.Paragraph(
        $"Source: {Text(corpus.Source)}. {Count(corpus.Files)} files of {Bytes(corpus.BytesIn)} were read and {Bytes(corpus.BytesOut)} of curated text "
        + $"came of them. {Count(corpus.InvalidUtf8Sequences)} sequences of bytes were no UTF-8 and were replaced.");

    private static void Curation(Markdown page, CorpusReport corpus)
    {
        page.Heading(2, "Curation");
        page.Table("lrrrrl", ["stage", "in", "out", "bytes in", "bytes out", "dropped, by reason"],
            corpus.Stages.Select(stage => new[]
            {
                Name(stage.Name), Count(stage.In), Count(stage.Out), Count(stage.BytesIn), Count(stage.BytesOut),
                stage.Dropped.Count == 0 ? None : string.Join("<br>", stage.Dropped.Select(drop => $"{Name(drop.Key)}: {Count(drop.Value)}")),
            }));
    }

    private static void Split(Markdown page, CorpusReport corpus)
    {
        page.Heading(2, "Split");
        page.Paragraph($"Method: {Name(corpus.Split.Method)}. {Text(corpus.Split.Explanation)}");
        page.Table("lrrr", ["part", "share asked for", "documents", "bytes"],
            corpus.Split.Parts.Select(part => new[] { Name(part.Name), Percent(part.Fraction), Count(part.Documents), Count(part.Bytes) }));
    }

    private static void Overlap(Markdown page, CorpusReport corpus)
    {
        page.Heading(2, "Overlap of held-out text with training text");
        page.Paragraph(
            "An n-gram is n words in a row, lower-cased. What also occurs in training text was seen before, which flatters held-out figures. "
            + "Exact duplicates of whole documents are removed before the split.");
        page.Table("lrrrrrrrrr",
            [
                "part", "n", "n-grams", "in training", "share", "documents", "with any", "with over half", "too short to tell", "removed for it",
            ],
            [Row("validation", corpus.ValidationOverlap), Row("test", corpus.TestOverlap)]);

        static string[] Row(string part, NgramOverlapReport overlap) =>
        [
            part, Count(overlap.N), Count(overlap.Ngrams), Count(overlap.NgramsInTraining), Percent(overlap.Share), Count(overlap.Documents),
            Count(overlap.DocumentsWithAny), Count(overlap.DocumentsOverHalf), Count(overlap.DocumentsTooShort), Count(overlap.DocumentsRemoved),
        ];
    }

    private static void Quality(Markdown page, CorpusReport corpus)
    {
        page.Heading(2, "Quality");
        page.Paragraph(
            $"Scorer: {Text(corpus.QualityScorer)}. The best decile of the training documents has {Count(corpus.BestDocuments)} documents of "
            + $"{Bytes(corpus.BestBytes)}; phases with the data \"best decile\" read only these.");
    }

    private static void Conversations(Markdown page, CorpusReport corpus)
    {
        page.Heading(2, "Conversations");
        page.Paragraph("Made from the documents by rules, without a model; each belongs to the part of the document that it was made from.");
        page.Table("lr", ["part", "conversations"], corpus.Conversations.Select(part => new[] { Name(part.Key), Count(part.Value) }));
    }

    private static void Hashes(Markdown page, CorpusReport corpus)
    {
        page.Heading(2, "Hashes");
        page.Table("ll", ["of", "SHA-256"],
            [["documents of all parts, in order", Code(corpus.ContentSha256)], ["dialogues of all parts, in order", Code(corpus.DialoguesSha256)]]);
    }

    private static void Warnings(Markdown page, CorpusReport corpus)
    {
        if (corpus.Warnings.Count == 0)
            return;
        page.Heading(2, "Warnings");
        page.Bullets(corpus.Warnings.Select(Text));
    }

    private static string Name(string name) => Text(name.Replace('_', ' '));
}
