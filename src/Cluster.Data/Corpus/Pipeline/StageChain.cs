using System.Diagnostics;
using System.Text;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Decontamination;
using Cluster.Data.Corpus.Recipes;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>The stages of a recipe, one after another, over one document at a time; counts what each keeps and drops. The stages are shared by threads.</summary>
/// <param name="stages">In order.</param>
/// <param name="times">Takes the time of each stage, if it is wanted.</param>
internal sealed class StageChain(IReadOnlyList<IDocumentStage> stages, StageTimes? times = null)
{
    /// <summary>What decontamination looks for; null if the recipe has none.</summary>
    public EvaluationIndex? Evaluation { get; private init; }

    /// <summary>The stages of a recipe; decontamination comes last, on the text that would be trained on.</summary>
    public static StageChain Of(CorpusFolder folder, CurationRecipe recipe, StageTimes? times = null)
    {
        List<IDocumentStage> stages = [.. recipe.Stages.Select(stage => StageCatalogue.Create(stage, folder.Model))];
        if (recipe.Decontamination is not { } decontamination)
            return new StageChain(stages, times);
        var index = new EvaluationIndex(
            [.. decontamination.Sets.Select(set => new EvaluationSet(
                set.Name, RunJson.Parse<IReadOnlyList<string>>(File.ReadAllText(folder.EvaluationSet(set.Name)), folder.EvaluationSet(set.Name))))],
            decontamination.Options);
        stages.Add(new DecontaminationStage(index, decontamination.Options));
        return new StageChain(stages, times) { Evaluation = index };
    }

    /// <summary>The names, so that a stage that no document reaches is counted too.</summary>
    public void Declare(CorpusStatistics statistics)
    {
        foreach (var stage in stages)
            statistics.Stage(stage.Name);
    }

    /// <summary>Applies all stages until one drops the document.</summary>
    /// <param name="document">As it was read.</param>
    /// <param name="bytes">UTF-8 bytes of its text; of what is left of it afterwards.</param>
    /// <param name="statistics">Takes the counts.</param>
    /// <param name="contamination">Takes what is found of evaluation sets.</param>
    /// <returns>The document as the last stage left it, and which stage dropped it and why.</returns>
    public (Document Document, string? Stage, DropReason? Drop) Apply(
        Document document, ref long bytes, CorpusStatistics statistics, ContaminationTally? contamination = null)
    {
        for (var i = 0; i < stages.Count; i++)
        {
            var stage = stages[i];
            var counts = statistics.Stage(stage.Name);
            counts.In++;
            counts.BytesIn += bytes;
            var start = times is null ? 0 : Stopwatch.GetTimestamp();
            var outcome = stage is DecontaminationStage decontamination ? decontamination.Apply(document, contamination) : stage.Apply(document);
            times?.Add(stage.Name, Stopwatch.GetTimestamp() - start, bytes);
            if (outcome.Drop is { } drop)
            {
                counts.Drop(drop.Rule);
                return (outcome.Document, stage.Name, drop);
            }

            if (!ReferenceEquals(outcome.Document.Text, document.Text))
                bytes = Encoding.UTF8.GetByteCount(outcome.Document.Text);
            document = outcome.Document;
            counts.Out++;
            counts.BytesOut += bytes;
        }

        return (document, null, null);
    }
}

/// <summary>How long stages took, for benchmarks: never part of a result. Thread-safe.</summary>
public sealed class StageTimes
{
    private readonly Lock _gate = new();
    private readonly OrderedDictionary<string, (long Ticks, long Documents, long Bytes)> _times = new(StringComparer.Ordinal);

    /// <summary>Seconds, documents and bytes in, by stage, in the order in which they were first seen.</summary>
    public IReadOnlyList<(string Stage, double Seconds, long Documents, long Bytes)> All
    {
        get
        {
            lock (_gate)
                return [.. _times.Select(pair => (pair.Key, pair.Value.Ticks / (double)Stopwatch.Frequency, pair.Value.Documents, pair.Value.Bytes))];
        }
    }

    internal void Add(string stage, long ticks, long bytes, long documents = 1)
    {
        lock (_gate)
        {
            var (t, d, b) = _times.GetValueOrDefault(stage);
            _times[stage] = (t + ticks, d + documents, b + bytes);
        }
    }
}
