using System.Runtime.ExceptionServices;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>How far a build is.</summary>
/// <param name="Phase">The phase at hand.</param>
/// <param name="Done">Units of it that are done.</param>
/// <param name="Units">All units of it.</param>
public sealed record CorpusBuildProgress(string Phase, int Done, int Units);

/// <summary>Runs a job in this process, phase by phase, several units at a time.</summary>
public static class CorpusRunner
{
    /// <summary>Does whatever is not done, and sums up.</summary>
    /// <inheritdoc cref="RunPhases"/>
    public static CorpusSummary Run(CorpusJob job, int workers, Action<CorpusBuildProgress>? progress = null, CancellationToken cancellation = default)
    {
        RunPhases(job, workers, progress, cancellation);
        return job.Finish();
    }

    /// <summary>Does the units that are not done.</summary>
    /// <param name="job">The job.</param>
    /// <param name="workers">Units at a time, at least 1.</param>
    /// <param name="progress">Told after each unit; from any thread.</param>
    /// <param name="cancellation">Ends it early; a later call goes on with the units that are not done.</param>
    public static void RunPhases(CorpusJob job, int workers, Action<CorpusBuildProgress>? progress = null, CancellationToken cancellation = default)
    {
        foreach (var phase in job.Phases)
        {
            var pending = job.Pending(phase);
            var done = phase.Units - pending.Count;
            progress?.Invoke(new CorpusBuildProgress(phase.Name, done, phase.Units));
            try
            {
                Parallel.ForEach(pending, new ParallelOptions { MaxDegreeOfParallelism = workers, CancellationToken = cancellation }, unit =>
                {
                    job.Run(phase.Name, unit, cancellation);
                    progress?.Invoke(new CorpusBuildProgress(phase.Name, Interlocked.Increment(ref done), phase.Units));
                });
            }
            catch (AggregateException errors)
            {
                // The same one whatever the order in which threads failed.
                ExceptionDispatchInfo.Throw(errors.Flatten().InnerExceptions.OrderBy(error => error.Message, StringComparer.Ordinal).First());
            }
        }
    }
}
