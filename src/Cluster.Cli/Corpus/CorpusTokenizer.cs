// Enters: a finished corpus and a vocabulary size. Leaves: a tokenizer. Does not know: how pieces are counted or merges learnt.

using Cluster.Data.Corpus.Pipeline;

namespace Cluster.Cli.Corpus;

/// <summary>Learns a vocabulary from a corpus on this machine: its pieces counted by threads of this process or by processes, once.</summary>
internal static class CorpusTokenizer
{
    /// <param name="folder">A finished corpus.</param>
    /// <param name="vocabulary">Ids.</param>
    /// <param name="path">The file to write; null for the corpus' own.</param>
    /// <param name="workers">Partitions at a time.</param>
    /// <param name="processes">Worker processes instead; null for threads.</param>
    /// <param name="memoryBytes">For tables, all workers together.</param>
    /// <param name="say">Told what happens, from any thread.</param>
    /// <param name="cancellation">Ends it early; a later call goes on with the partitions that are not counted.</param>
    /// <param name="started">Told the id of each worker process.</param>
    public static async Task<TokenizerSummary> TrainAsync(
        CorpusFolder folder, int vocabulary, string? path, int workers, int? processes, long memoryBytes, Action<string> say, CancellationToken cancellation,
        Action<int>? started = null)
    {
        var job = CorpusJob.OpenPieces(folder, new CorpusResources { Workers = processes ?? workers, MemoryBytes = memoryBytes });
        if (processes is { } count)
            await new CorpusProcesses(job, count, memoryBytes, Report, started).RunAsync(cancellation);
        else
            CorpusRunner.RunPhases(job, workers, Report, cancellation);
        say($"learning {vocabulary} ids");
        return job.LearnTokenizer(vocabulary, path, cancellation);

        void Report(CorpusBuildProgress progress) => say($"{progress.Phase}: {progress.Done} of {progress.Units}");
    }
}
