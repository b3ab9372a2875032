// Enters: a run's records and the plots that were drawn. Leaves: report.md. Does not know: files.

using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using static Cluster.Silo.Reports.Figures;
using static Cluster.Silo.Reports.Markdown;

namespace Cluster.Silo.Reports;

/// <summary>report.md: what was done, how it went, what the model says.</summary>
internal static class ReportPage
{
    /// <summary>Most rows of a table of samples; the rest stays in samples.jsonl.</summary>
    public const int MostSamples = 20;

    private const int MostCharacters = 600;

    /// <summary>The whole document.</summary>
    public static string Compose(
        RunFolder folder, RunSummary summary, IReadOnlyList<MetricPoint> metrics, IReadOnlyList<ReportPlot> plots,
        IReadOnlyList<Sample> samples, IReadOnlyList<Sample> heldOut, CorpusReport? corpus)
    {
        var page = new Markdown().Heading(1, $"Run {Text(summary.Run)}");
        Summary(page, summary, corpus);
        Stages(page, summary);
        Phases(page, summary, metrics);
        Plots(page, folder, plots);
        Samples(page, samples);
        HeldOut(page, summary, heldOut);
        Reproduce(page, summary, metrics, corpus);
        return page.ToString();
    }

    private static void Summary(Markdown page, RunSummary summary, CorpusReport? corpus)
    {
        var source = corpus is null ? "text" : Text(corpus.Source);
        var tuned = summary.DialogueValidationLoss is { } loss
            ? $" Fine-tuning for dialogue then brought it to a validation loss of {Loss(loss)} nats per token of the assistant."
            : "";
        page.Paragraph(
            $"A language model of {Rough(summary.Parameters)} parameters was trained from {source}, on {Rough(summary.Tokens)} tokens in "
            + $"{Count(summary.Steps)} steps. It predicts held-out text at **{Loss(summary.ValidationBitsPerByte)} bits per byte** "
            + $"(validation loss {Loss(summary.ValidationLoss)}, training loss {Loss(summary.TrainLoss)} nats per token).{tuned} "
            + $"Pre-training ran at **{Whole(summary.TokensPerSecond)} tokens/s**, {Percent(summary.Mfu)} of the machine's measured peak of "
            + $"matrix products. All stages together took **{Duration(summary.Seconds)}** and the process held at most "
            + $"{Bytes(summary.PeakMemoryBytes)} of memory. The weights' SHA-256 is {Code(summary.WeightsSha256)}, the recipe's "
            + $"{Code(summary.RecipeSha256)}.");
        page.Table("lr", ["figure", "value"],
        [
            ["validation, bits per byte", Loss(summary.ValidationBitsPerByte)],
            ["validation loss, nats per token", Loss(summary.ValidationLoss)],
            ["training loss at the end, nats per token", Loss(summary.TrainLoss)],
            ["dialogue validation loss, nats per token of the assistant", summary.DialogueValidationLoss is { } dialogue ? Loss(dialogue) : None],
            ["parameters", Count(summary.Parameters)],
            ["steps", Count(summary.Steps)],
            ["tokens trained on", Count(summary.Tokens)],
            ["tokens per second", Whole(summary.TokensPerSecond)],
            ["share of the measured peak", Percent(summary.Mfu)],
            ["measured peak, GFLOP/s", Whole(summary.PeakGflops)],
            ["replicas", Count(summary.Replicas)],
            ["time", Duration(summary.Seconds)],
            ["peak memory", Bytes(summary.PeakMemoryBytes)],
            ["memory of a replica", summary.ReplicaBytes is { } parts ? string.Join(", ", parts.Select(part => $"{part.Key} {Bytes(part.Value)}")) : None],
            ["checkpoints loaded", Count(summary.CheckpointsLoaded)],
        ]);
        page.Paragraph("More in the [model card](model_card.md) and the [data card](data_card.md).");
    }

    private static void Stages(Markdown page, RunSummary summary)
    {
        page.Heading(2, "Stages");
        page.Table("lrll", ["stage", "time", "figures", "result's SHA-256"],
        [
            .. summary.Stages.Select(stage => new[]
            {
                Name(stage.Name), Duration(stage.Seconds), FiguresOf(stage), stage.OutputSha256.Length == 0 ? None : Code(Start(stage.OutputSha256)),
            }),
            ["all", Duration(summary.Seconds), "", ""],
        ]);

        static string Start(string hash) => hash[..Math.Min(12, hash.Length)];
    }

    /// <summary>A stage's figures in one cell.</summary>
    private static string FiguresOf(StageRecord stage) =>
        string.Join("<br>", stage.Figures.Select(figure => $"{Name(figure.Key)}: {Text(figure.Value)}"));

    private static void Phases(Markdown page, RunSummary summary, IReadOnlyList<MetricPoint> metrics)
    {
        var recipe = summary.Recipe;
        var schedule = new Schedule(recipe);
        page.Heading(2, "Schedule of pre-training");
        page.Paragraph(
            $"{Count(recipe.Training.Lanes)} lanes; a micro-batch has {Count(schedule.MicroBatchTokens)} tokens in every phase. Rates and "
            + "micro-batches are those of the phase's first and last step.");
        page.Table("lrrrrrl",
            ["phase", "steps", "tokens", "context", "micro-batches per lane and step", "learning rate", "data"],
            [.. recipe.Phases.Select((phase, index) => PhaseRow(schedule, phase, index, recipe.Model.Context))]);
        if (StoppedAfter(recipe, metrics) is { } steps)
            page.Paragraph($"Pre-training ended after {Count(steps)} of the schedule's {Count(recipe.Training.Steps)} steps.");
    }

    private static string[] PhaseRow(Schedule schedule, PhaseRecipe phase, int index, int context)
    {
        var (start, end) = schedule.PhaseSteps(index);
        var data = phase.Data == PhaseData.Best ? "best decile" : "all";
        if (start == end)
            return [Name(phase.Name), "0", "0", Count((long)context * phase.ContextFactor), None, None, data];
        ScheduledStep first = schedule[start], last = schedule[end - 1];
        return
        [
            Name(phase.Name), $"{Count(end - start)} ({Span(Count(start + 1), Count(end))})", Count(schedule.TokensOf(index)), Count(first.Context),
            Span(Count(first.MicroBatches), Count(last.MicroBatches)), Span(Setting(first.LearningRate), Setting(last.LearningRate)), data,
        ];
    }

    /// <summary>The last step of pre-training where it is not the schedule's, or null.</summary>
    private static long? StoppedAfter(Recipe recipe, IReadOnlyList<MetricPoint> metrics)
    {
        var last = metrics.Where(point => point.Stage == StageNames.Pretraining).Select(point => point.Step).DefaultIfEmpty().Max();
        return last > 0 && last < recipe.Training.Steps ? last : null;
    }

    private static void Plots(Markdown page, RunFolder folder, IReadOnlyList<ReportPlot> plots)
    {
        if (plots.Count == 0)
            return;
        page.Heading(2, "Training");
        foreach (var plot in plots)
        {
            page.Heading(3, plot.Title);
            page.Image(plot.Caption, Path.GetRelativePath(folder.Path, folder.Plot(plot.Name)).Replace('\\', '/'));
        }
    }

    private static void Samples(Markdown page, IReadOnlyList<Sample> samples)
    {
        if (samples.Count == 0)
            return;
        page.Heading(2, "The same prompt, as training went on");
        foreach (var series in samples.GroupBy(sample => (sample.Stage, sample.Prompt)))
        {
            var shown = Spread([.. series], MostSamples);
            page.Paragraph($"In {Name(series.Key.Stage)}, given “{Cell(series.Key.Prompt)}”:");
            page.Table("rrl", ["step", "seconds", "the model goes on"],
                shown.Select(sample => new[] { Count(sample.Step), Whole(sample.Seconds), Cell(sample.Text) }));
            if (shown.Count < series.Count())
                page.Paragraph($"{Count(shown.Count)} of {Count(series.Count())} samples; all are in `samples.jsonl`.");
        }
    }

    private static void HeldOut(Markdown page, RunSummary summary, IReadOnlyList<Sample> heldOut)
    {
        if (heldOut.Count == 0)
            return;
        page.Heading(2, "Held-out questions");
        page.Paragraph(
            $"None of these was trained on. With {Rough(summary.Parameters)} parameters and {Rough(summary.Tokens)} tokens of training, a "
            + "model picks up the words, the grammar and the manner of its texts; facts that it never read it cannot know, and it states "
            + "wrong ones in the same even tone.");
        page.Table("lll", ["question", "the model's reply", "the true text"],
            heldOut.Select(sample => new[] { Cell(sample.Prompt), Cell(sample.Text), sample.Expected is null ? None : Cell(sample.Expected) }));
    }

    private static void Reproduce(Markdown page, RunSummary summary, IReadOnlyList<MetricPoint> metrics, CorpusReport? corpus)
    {
        var path = corpus is null ? null : CorpusFacts.CorpusPath(corpus);
        var command = "cluster train --recipe recipe.json"
            + (path is null ? "" : $" --corpus {Quoted(path)}")
            // A run that its own patience ended stops there by itself.
            + (summary.Recipe.Training.Patience == 0 && StoppedAfter(summary.Recipe, metrics) is { } steps ? $" --steps {steps}" : "")
            + " --out ../again";
        page.Heading(2, "How to reproduce");
        page.Paragraph("In this folder, whose `recipe.json` holds the recipe as resolved, with the same text at hand (`cluster` is the packed tool, or "
            + "`dotnet run -c Release --project CLONE/src/Cluster.Cli --`):");
        page.CodeBlock(command);
        var hash = corpus is null ? "" : $" The text is the same if the data card's content SHA-256 is {Code(corpus.ContentSha256)}.";
        page.Paragraph(
            $"On equal hardware and library builds the weights end with the same SHA-256, on any number of replicas.{hash}");
    }

    /// <summary>At most so many, evenly chosen, the first and the last among them.</summary>
    private static List<T> Spread<T>(IReadOnlyList<T> items, int most) => items.Count <= most
        ? [.. items]
        : [.. Enumerable.Range(0, most).Select(i => items[(int)((long)i * (items.Count - 1) / (most - 1))])];

    private static string Cell(string text)
    {
        if (string.IsNullOrWhiteSpace(text))
            return "*(nothing)*";
        if (text.Length <= MostCharacters)
            return Text(text);
        var end = char.IsHighSurrogate(text[MostCharacters - 1]) ? MostCharacters - 1 : MostCharacters;
        return Text(text[..end]) + " …";
    }

    /// <summary>A name of a field, stage or phase, in words.</summary>
    private static string Name(string name) => Text(name.Replace('_', ' '));

    /// <summary>One word to a POSIX shell.</summary>
    private static string Quoted(string path) => $"'{path.Replace("'", @"'\''", StringComparison.Ordinal)}'";
}
