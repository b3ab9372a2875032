// Enters: a recipe, a folder, what may be used. Leaves: the corpus there, and its figures. Does not know: the command line.

using System.Diagnostics;
using Cluster.Cli.Hosting.Local;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;
using Cluster.Silo.Corpus;
using Cluster.Silo.Reports;

namespace Cluster.Cli.Corpus;

/// <summary>A corpus that was built.</summary>
/// <param name="Folder">Where it is.</param>
/// <param name="CorpusSha256">Equal hashes mean equal corpora.</param>
/// <param name="DocumentsIn">Documents that were read.</param>
/// <param name="Documents">Documents in it.</param>
/// <param name="BytesIn">UTF-8 bytes of the documents that were read.</param>
/// <param name="Bytes">Bytes of its shards before compression.</param>
/// <param name="Partitions">Partitions.</param>
/// <param name="FailedShare">Share that could not be read.</param>
/// <param name="Seconds">Of this call.</param>
/// <param name="Stages">What each stage received, kept and dropped.</param>
public sealed record CorpusBuildResult(
    string Folder, string CorpusSha256, long DocumentsIn, long Documents, long BytesIn, long Bytes, int Partitions, double FailedShare, double Seconds,
    IReadOnlyList<StageCounts> Stages);

/// <summary>Builds a corpus on this machine, by threads of this process or by processes.</summary>
internal static class CorpusBuild
{
    public static async Task<CorpusBuildResult> RunAsync(
        string folder, CurationRecipe recipe, int workers, int? processes, long memoryBytes, Action<string> say, CancellationToken cancellation,
        Action<int>? started = null, ClusterAddress? cluster = null)
    {
        var start = Stopwatch.GetTimestamp();
        var corpus = new CorpusFolder(folder);
        var resources = new CorpusResources { Workers = processes ?? workers, MemoryBytes = memoryBytes, Embeddings = new RunEmbeddings() };
        CorpusSummary? summary;
        if (cluster is not null)
        {
            summary = await new CorpusOnCluster(cluster).RunAsync(folder, recipe, workers, memoryBytes, say, cancellation);
            return Result(summary);
        }

        var job = await CorpusJob.PrepareAsync(corpus, recipe, resources, progress: say, cancellation: cancellation);
        summary = CorpusSummary.Load(corpus);
        if (summary is null)
        {
            if (processes is { } count)
            {
                await new CorpusProcesses(job, count, memoryBytes, Report, started).RunAsync(cancellation);
                summary = job.Finish();
            }
            else
            {
                summary = CorpusRunner.Run(job, workers, Report, cancellation);
            }
        }

        CorpusPage.Write(corpus, summary);
        return Result(summary);

        CorpusBuildResult Result(CorpusSummary made)
        {
            var read = made.Statistics.Stages[0];
            return new CorpusBuildResult(
                corpus.Root, made.CorpusSha256, read.In, made.Documents, read.BytesIn, made.Bytes, made.Partitions, made.FailedShare,
                Math.Round(Stopwatch.GetElapsedTime(start).TotalSeconds, 1), made.Statistics.Stages);
        }

        void Report(CorpusBuildProgress progress) => say($"{progress.Phase}: {progress.Done} of {progress.Units}");
    }
}
