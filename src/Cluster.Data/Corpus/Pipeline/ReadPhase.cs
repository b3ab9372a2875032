using System.Text;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Decontamination;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Corpus.Sources;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>
/// The first phase of a partition: read, judge by the stages, write what stays with hashes and signatures, and a row for each document.
/// A function of the partition's files and the recipe.
/// </summary>
internal sealed class ReadPhase(CorpusFolder folder, CurationRecipe recipe, CorpusPlan plan, StageChain chain, StageTimes? times)
{
    public const string Name = "read";

    private const int MostExamples = 5;
    private const int BeginningCharacters = 240;

    public UnitResult Run(int partition, CancellationToken cancellation)
    {
        var planned = plan.Partitions[partition];
        var source = recipe.Sources[planned.Source];
        var reading = source.Reading(recipe.Limits);
        var root = Path.Combine(folder.Root, plan.Sources[planned.Source].Root);
        var files = RunJson.Parse<IReadOnlyList<SourceFile>>(File.ReadAllText(folder.Partition(partition)), folder.Partition(partition));
        var statistics = new CorpusStatistics();
        statistics.Stage(Name);
        chain.Declare(statistics);
        var examples = new List<string>();
        var ids = new List<string>();
        using var documents = new DocumentFileWriter(folder.Documents(Name, partition));
        using var rows = new RecordWriter(folder.Rows(partition));
        using var signatures = DocumentSignatures.Create(folder.SignatureFolder, partition, recipe.Duplicates, times);
        var contamination = chain.Evaluation is { } evaluation ? new ContaminationTally(evaluation) : null;
        foreach (var file in files)
        {
            foreach (var item in Timed(reading.Read(root, file, cancellation)))
            {
                cancellation.ThrowIfCancellationRequested();
                if (item.Failure is { } failure)
                {
                    statistics.Failed(failure.Reason, failure.Bytes);
                    if (examples.Count < MostExamples)
                        examples.Add(failure.Detail);
                    ProvenanceFile.Add(rows, new ProvenanceRow(failure.Id, false, failure.Bytes) { Stage = Name, Rule = failure.Reason, Detail = failure.Detail });
                    continue;
                }

                Judge(item);
            }
        }

        documents.Complete();
        rows.Complete();
        signatures.Complete();
        IdFile.Write(folder.Ids(partition), ids);
        contamination?.Save(folder.Contamination(partition));
        return new UnitResult { Statistics = statistics, Records = ids.Count, Examples = examples };

        void Judge(SourceItem item)
        {
            var read = item.Document!;
            var bytes = (long)Encoding.UTF8.GetByteCount(read.Text);
            var entered = bytes;
            statistics.Entered(read, bytes);
            var counts = statistics.Stage(Name);
            counts.In++;
            counts.BytesIn += bytes;
            if (item.Drop is null)
            {
                counts.Out++;
                counts.BytesOut += bytes;
            }
            else
            {
                counts.Drop(item.Drop.Rule);
            }

            var (document, stage, drop) = item.Drop is { } passed ? (read, Name, passed) : chain.Apply(read, ref bytes, statistics, contamination);
            statistics.Judged(document, entered);
            ProvenanceFile.Add(rows, new ProvenanceRow(document.Id, drop is null, entered)
            {
                Stage = stage,
                Rule = drop?.Rule,
                Value = drop?.Value,
                Limit = drop?.Limit,
                Scores = document.Scores.Count == 0 ? null : Scores(document),
                Beginning = drop is null ? null : Beginning(document.Text),
            });
            if (drop is not null)
                return;
            ids.Add(document.Id);
            documents.Add(document);
            signatures.Add(document);
        }
    }

    /// <summary>The time that reading takes, without that of judging.</summary>
    private IEnumerable<SourceItem> Timed(IEnumerable<SourceItem> items)
    {
        if (times is null)
            return items;
        return Measured();

        IEnumerable<SourceItem> Measured()
        {
            using var enumerator = items.GetEnumerator();
            while (true)
            {
                var start = System.Diagnostics.Stopwatch.GetTimestamp();
                var more = enumerator.MoveNext();
                var ticks = System.Diagnostics.Stopwatch.GetTimestamp() - start;
                if (!more)
                    yield break;
                times.Add(Name, ticks, enumerator.Current.Document is { } document ? Encoding.UTF8.GetByteCount(document.Text) : 0);
                yield return enumerator.Current;
            }
        }
    }

    /// <summary>Scores by name; of a name that occurs twice the later one counts.</summary>
    private static SortedDictionary<string, double> Scores(Document document)
    {
        var scores = new SortedDictionary<string, double>(StringComparer.Ordinal);
        foreach (var score in document.Scores)
            scores[score.Name] = score.Value;
        return scores;
    }

    internal static string Beginning(string text)
    {
        if (text.Length <= BeginningCharacters)
            return text;
        var length = char.IsHighSurrogate(text[BeginningCharacters - 1]) ? BeginningCharacters - 1 : BeginningCharacters;
        return text[..length] + "…";
    }
}
