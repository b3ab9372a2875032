using System.Diagnostics;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Filters;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;
using Cluster.Silo.Corpus;

namespace Cluster.Cli.Benchmarks;

/// <summary>What a corpus benchmark found.</summary>
/// <param name="Recipe">What was built.</param>
/// <param name="Documents">Read, and kept.</param>
/// <param name="Megabytes">10^6 bytes of text read.</param>
/// <param name="Workers">Threads.</param>
/// <param name="Seconds">The whole build, the reading of the source included.</param>
/// <param name="SourceSeconds">Of these, bringing the source in and planning.</param>
/// <param name="ProcessorSeconds">Of all threads.</param>
/// <param name="PeakMegabytes">Most memory that the process held.</param>
/// <param name="CorpusSha256">Of the corpus.</param>
/// <param name="Phases">What the build did on one thread, by time of the clock within it.</param>
/// <param name="Stages">The per-document stages, each alone on all documents, by processor time.</param>
public sealed record CorpusBenchmarkResult(
    string Recipe, string Documents, double Megabytes, int Workers, double Seconds, double SourceSeconds, double ProcessorSeconds, double PeakMegabytes, string CorpusSha256,
    IReadOnlyList<CorpusPhaseFigure> Phases, IReadOnlyList<CorpusStageFigure> Stages);

/// <summary>What a part of the build does in a second of one thread.</summary>
/// <param name="Part">Reading, a stage as the build ran it, hashing, signatures, embeddings.</param>
/// <param name="MegabytesPerSecond">10^6 bytes of text that entered it.</param>
/// <param name="DocumentsPerSecond">Documents that entered it.</param>
public sealed record CorpusPhaseFigure(string Part, double MegabytesPerSecond, double DocumentsPerSecond);

/// <summary>Builds the reference documentation with near-duplicates looked for, then times each stage alone.</summary>
internal static class CorpusBenchmark
{
    public static async Task<CorpusBenchmarkResult> RunAsync(
        int workers, bool stages, string? model, Action<string> say, CancellationToken cancellation)
    {
        var folder = Directory.CreateTempSubdirectory("cluster-corpus-bench-").FullName;
        try
        {
            var recipe = CurationPresets.ReferenceCorpus with { Name = "reference-short-form", Stages = CurationPresets.ShortForm, Duplicates = new DuplicatesRecipe() };
            if (model is not null)
                recipe = recipe with { Duplicates = recipe.Duplicates.WithModel(model) };
            var times = new StageTimes();
            var resources = new CorpusResources { Workers = workers, Times = times, Embeddings = new RunEmbeddings() };
            var (start, processor) = (Stopwatch.GetTimestamp(), Process.GetCurrentProcess().TotalProcessorTime);
            var job = await CorpusJob.PrepareAsync(new CorpusFolder(folder), recipe, resources, progress: say, cancellation: cancellation);
            var planned = Stopwatch.GetElapsedTime(start).TotalSeconds;
            var summary = CorpusRunner.Run(job, workers, progress => say($"{progress.Phase}: {progress.Done} of {progress.Units}"), cancellation);
            var seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
            var process = Process.GetCurrentProcess();
            var used = (process.TotalProcessorTime - processor).TotalSeconds;
            var peak = process.PeakWorkingSet64 / 1e6;
            var read = summary.Statistics.Stages[0];
            IReadOnlyList<CorpusStageFigure> figures = [];
            if (stages)
            {
                say("each stage alone");
                var documents = new DotnetReferenceSource().Read(workers, cancellation).Documents;
                figures = CorpusStageBenchmark.Run(documents, CorpusStageBenchmark.DefaultStages(), FilterPreset.ShortForm, repeats: 2, cancellation);
            }

            return new CorpusBenchmarkResult(
                recipe.Name, FormattableString.Invariant($"{read.In} read, {summary.Documents} kept"), Math.Round(read.BytesIn / 1e6, 1), workers, Math.Round(seconds, 1),
                Math.Round(planned, 1), Math.Round(used, 1), Math.Round(peak), summary.CorpusSha256,
                [.. times.All.Select(part => new CorpusPhaseFigure(
                    part.Stage, Math.Round(part.Bytes / 1e6 / Math.Max(1e-6, part.Seconds), 2),
                    Math.Round(part.Documents / Math.Max(1e-6, part.Seconds))))],
                figures);
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }
}
