// Enters: a run's summary. Leaves: model_card.md. Does not know: files.

using System.Globalization;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using Cluster.Data.Tokens;
using static Cluster.Silo.Reports.Figures;
using static Cluster.Silo.Reports.Markdown;

namespace Cluster.Silo.Reports;

/// <summary>model_card.md: what the model is, and what it is and is not good for (after Mitchell et al., "Model cards", 2019).</summary>
internal static class ModelCard
{
    /// <summary>The whole document.</summary>
    public static string Compose(RunSummary summary, CorpusReport? corpus)
    {
        var page = new Markdown().Heading(1, $"Model card: {Text(summary.Run)}");
        Description(page, summary, corpus);
        Shape(page, summary);
        Tokenizer(page, summary.Recipe);
        Data(page, corpus);
        Results(page, summary);
        Use(page, summary);
        Making(page, summary);
        return page.ToString();
    }

    private static bool IsTuned(RunSummary summary) =>
        summary.DialogueValidationLoss is not null || summary.Stages.Any(stage => stage.Name == StageNames.FineTuning);

    private static void Description(Markdown page, RunSummary summary, CorpusReport? corpus)
    {
        var kind = IsTuned(summary) ? "pre-trained on text and fine-tuned for dialogue" : "pre-trained on text, not fine-tuned";
        var source = corpus is null ? "" : $" Source of its text: {Text(corpus.Source)}.";
        page.Paragraph($"A decoder-only transformer of {Count(summary.Parameters)} parameters, {kind}.{source}");
        page.Table("ll", ["identity", "SHA-256"], [["weights", Code(summary.WeightsSha256)], ["recipe", Code(summary.RecipeSha256)]]);
    }

    private static void Shape(Markdown page, RunSummary summary)
    {
        var shape = summary.Recipe.Model.Resolved();
        page.Heading(2, "Shape");
        page.Table("lr", ["part", "value"],
        [
            ["layers", Count(shape.Layers)],
            ["width", Count(shape.Width)],
            ["heads", Count(shape.Heads)],
            ["key and value heads", Count(shape.KvHeads)],
            ["head size", Count(shape.HeadSize)],
            ["feed-forward width", Count(shape.FeedForward)],
            ["activation", shape.Activation == Activation.Swiglu ? "SwiGLU" : "GELU"],
            ["norm", shape.Norm == Normalization.LayerNorm ? "LayerNorm" : "RMSNorm"],
            ["positions", shape.Positions.ToString().ToLowerInvariant()],
            ["biases", shape.Biases ? "yes" : "no"],
            ["output head", shape.TiedHead ? "the token embedding" : "its own"],
            ["context in training, tokens", Count(shape.Context)],
            ["longest sequence, tokens", Count(Math.Max(shape.MaxContext, new Schedule(summary.Recipe).LongestContext))],
            ["embedding rows", Count(shape.Vocabulary)],
        ]);
        if (shape.Vocabulary == 0)
            return;
        var layout = new ParameterLayout(shape);
        page.Heading(3, "Parameters");
        page.Table("lrr", ["part", "parameters", "share"],
        [
            .. layout.Parameters.GroupBy(parameter => Part(parameter.Name)).Select(part => (part.Key, Count: part.Sum(parameter => parameter.Count)))
                .Select(part => new[] { part.Key, Count(part.Count), Percent(part.Count / (double)layout.ParameterCount) }),
            ["all", Count(layout.ParameterCount), Percent(1)],
        ]);
    }

    private static string Part(string parameter) => parameter switch
    {
        _ when parameter.StartsWith("token_embedding.", StringComparison.Ordinal) => "token embedding",
        _ when parameter.StartsWith("position_embedding.", StringComparison.Ordinal) => "position embedding",
        _ when parameter.StartsWith("head.", StringComparison.Ordinal) => "output head",
        _ when parameter.Contains("norm.", StringComparison.Ordinal) => "norms",
        _ when parameter.Contains(".attention.", StringComparison.Ordinal) => "attention",
        _ when parameter.Contains(".feed_forward.", StringComparison.Ordinal) => "feed-forward",
        _ => "other",
    };

    private static void Tokenizer(Markdown page, Recipe recipe)
    {
        var kind = recipe.Tokenizer.Kind switch
        {
            TokenizerKind.Bpe => $"Byte-level byte-pair encoding of at most {Count(recipe.Tokenizer.Vocabulary)} ids, {Count(SpecialTokens.Count)} of them special",
            TokenizerKind.Bytes => $"One token per byte, and {Count(SpecialTokens.Count)} special ones",
            _ => $"One token per character of the corpus, and {Count(SpecialTokens.Count)} special ones",
        };
        page.Heading(2, "Tokenizer");
        page.Paragraph($"{kind}. `tokenizer.json` is in the form that Hugging Face's tokenizers reads.");
    }

    private static void Data(Markdown page, CorpusReport? corpus)
    {
        page.Heading(2, "Training data");
        if (corpus is null)
        {
            page.Paragraph("The curation's figures are not at hand.");
            return;
        }

        var train = corpus.Split.Parts.FirstOrDefault(part => part.Name == "train");
        var size = train is null ? "" : $", of which {Bytes(train.Bytes)} in {Count(train.Documents)} documents were trained on";
        page.Paragraph(
            $"{Text(corpus.Source)}: {Bytes(corpus.BytesIn)} read, {Bytes(corpus.BytesOut)} curated{size}. Content SHA-256 "
            + $"{Code(corpus.ContentSha256)}, dialogues' SHA-256 {Code(corpus.DialoguesSha256)}. More in the [data card](data_card.md).");
    }

    private static void Results(Markdown page, RunSummary summary)
    {
        page.Heading(2, "Figures");
        page.Table("lr", ["figure", "value"],
        [
            ["validation, bits per byte", Loss(summary.ValidationBitsPerByte)],
            ["validation loss, nats per token", Loss(summary.ValidationLoss)],
            ["training loss at the end, nats per token", Loss(summary.TrainLoss)],
            ["dialogue validation loss, nats per token of the assistant", summary.DialogueValidationLoss is { } loss ? Loss(loss) : None],
        ]);
        page.Paragraph("Validation text comes from the same source as the training text but was not trained on; the data card says how much of it overlaps.");
    }

    private static void Use(Markdown page, RunSummary summary)
    {
        page.Heading(2, "Intended use");
        page.Paragraph("Learning how language models are made, experiments, and tests of the training cluster.");
        page.Heading(2, "Limits");
        page.Bullets(
        [
            $"{Rough(summary.Parameters)} parameters trained on {Rough(summary.Tokens)} tokens: replies may be fluent and wrong. Check every one.",
            "It knows its training text and nothing after it; other subjects and languages give arbitrary text.",
            IsTuned(summary)
                ? "It was fine-tuned to answer, not to refuse: there is no safety training."
                : "It continues text and was not trained to answer; there is no safety training.",
            "What is wrong, one-sided or private in the training text may come back in replies.",
        ]);
    }

    private static void Making(Markdown page, RunSummary summary)
    {
        var training = summary.Recipe.Training;
        page.Heading(2, "How it was made");
        page.Table("lr", ["setting of pre-training", "value"],
        [
            ["steps of the schedule", Count(training.Steps)],
            ["lanes", Count(training.Lanes)],
            ["sequences per micro-batch", Count(training.MicroBatch)],
            ["optimizer", $"AdamW, β₁ {Setting(training.Beta1)}, β₂ {Setting(training.Beta2)}"],
            ["peak learning rate", Setting(training.LearningRate)],
            ["weight decay", Setting(training.WeightDecay)],
            ["largest gradient norm", training.ClipNorm == 0 ? "no limit" : Setting(training.ClipNorm)],
            ["precision", training.Precision.ToString().ToLowerInvariant()],
            ["seed", summary.Recipe.Seed.ToString(CultureInfo.InvariantCulture)],
            ["phases", Text(string.Join(", ", summary.Recipe.Phases.Select(phase => phase.Name.Replace('_', ' '))))],
        ]);
        page.Paragraph(
            $"Stages: {Text(string.Join(", ", summary.Stages.Select(stage => stage.Name.Replace('_', ' '))))}; {Duration(summary.Seconds)} in "
            + $"all on {Count(summary.Replicas)} {(summary.Replicas == 1 ? "replica" : "replicas")}. The [report](report.md) has the schedule, the curves and the command to make it again.");
    }
}
