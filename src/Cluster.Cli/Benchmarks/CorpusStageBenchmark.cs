using System.Diagnostics;
using System.Text;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Filters;
using Cluster.Data.Corpus.Language;
using Cluster.Data.Corpus.Privacy;
using Cluster.Data.Corpus.Quality;

namespace Cluster.Cli.Benchmarks;

/// <summary>What one stage does in a second of one core.</summary>
/// <param name="Stage">Its name, or "filters" for all of a preset together.</param>
/// <param name="MegabytesPerSecond">10^6 bytes of UTF-8 text that entered it, per second of processor time.</param>
/// <param name="DocumentsPerSecond">Documents that entered it, per second of processor time.</param>
/// <param name="In">Documents that entered it.</param>
/// <param name="Dropped">Those that it dropped.</param>
public sealed record CorpusStageFigure(string Stage, double MegabytesPerSecond, double DocumentsPerSecond, int In, int Dropped);

/// <summary>Times the stages of one document on one thread.</summary>
public static class CorpusStageBenchmark
{
    /// <summary>The stages that are timed if none are given: the filters for the web, then language, personal data and quality.</summary>
    public static IReadOnlyList<IDocumentStage> DefaultStages() =>
        [.. FilterPreset.Web.Stages(), new LanguageIdentification(), new PersonalData(), new LearnedQuality()];

    /// <summary>
    /// Each stage alone on all documents (a stage pays for the words of the text itself), then the filters of a preset together as the
    /// pipeline runs them, document by document until one drops it. The best of several runs each, in processor time of this thread's
    /// process, so that neighbours count little; run it with nothing else in the process.
    /// </summary>
    /// <param name="documents">Of one corpus.</param>
    /// <param name="stages">Those to time apart.</param>
    /// <param name="preset">Those to time together; null for none.</param>
    /// <param name="repeats">Runs of each, at least 1.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static IReadOnlyList<CorpusStageFigure> Run(
        IReadOnlyList<Document> documents, IReadOnlyList<IDocumentStage> stages, FilterPreset? preset, int repeats = 3, CancellationToken cancellation = default)
    {
        var bytes = documents.Sum(document => (long)Encoding.UTF8.GetByteCount(document.Text));
        var figures = stages.Select(stage => Time(stage.Name, documents, bytes, [stage], repeats, cancellation)).ToList();
        if (preset is not null)
        {
            figures.Add(Time("filters", documents, bytes, preset.Stages(), repeats, cancellation));
            // None drops, so that every document goes through all of them: the dearest corpus that there can be.
            figures.Add(Time("filters, all on all", documents, bytes, preset.Stages(), repeats, cancellation, stopAtDrop: false));
        }

        return figures;
    }

    private static CorpusStageFigure Time(
        string name, IReadOnlyList<Document> documents, long bytes, IReadOnlyList<IDocumentStage> stages, int repeats, CancellationToken cancellation, bool stopAtDrop = true)
    {
        var best = TimeSpan.MaxValue;
        var dropped = 0;
        for (var repeat = 0; repeat < repeats; repeat++)
        {
            dropped = 0;
            // An empty text between runs: the last one's view is not there already.
            foreach (var stage in stages)
                stage.Apply(documents[0] with { Text = " " });
            var start = Process.GetCurrentProcess().TotalProcessorTime;
            foreach (var document in documents)
            {
                cancellation.ThrowIfCancellationRequested();
                dropped += Through(document, stages, stopAtDrop) ? 1 : 0;
            }

            var took = Process.GetCurrentProcess().TotalProcessorTime - start;
            best = took < best ? took : best;
        }

        var seconds = Math.Max(best.TotalSeconds, 1e-3);
        return new CorpusStageFigure(name, Math.Round(bytes / 1e6 / seconds, 1), Math.Round(documents.Count / seconds), documents.Count, dropped);
    }

    private static bool Through(Document document, IReadOnlyList<IDocumentStage> stages, bool stopAtDrop)
    {
        var dropped = false;
        foreach (var stage in stages)
        {
            var outcome = stage.Apply(document);
            dropped |= outcome.Drop is not null;
            if (dropped && stopAtDrop)
                break;
            document = outcome.Document;
        }

        return dropped;
    }
}
