// Enters, by lines: a phase and a unit. Leaves, by lines: that it is done, or why not. Ends with its input. Does not know: other workers.

using System.Globalization;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Pipeline;

namespace Cluster.Cli.Corpus;

/// <summary>What a worker answers.</summary>
/// <param name="What">What is wrong, if something is.</param>
/// <param name="Remedy">What to do about it; null for a fault of this program.</param>
internal sealed record WorkerAnswer(string? What = null, string? Remedy = null);

/// <summary>A process that builds parts of a corpus; <see cref="CorpusProcesses"/> tells it which.</summary>
internal static class CorpusWorker
{
    /// <summary>The hidden verb.</summary>
    public const string Verb = "worker";

    public static async Task RunAsync(string folder, CorpusResources resources, TextReader input, TextWriter output, CancellationToken cancellation)
    {
        var job = CorpusJob.Open(new CorpusFolder(folder), resources);
        while (await input.ReadLineAsync(cancellation) is { Length: > 0 } line)
        {
            var space = line.IndexOf(' ', StringComparison.Ordinal);
            WorkerAnswer answer;
            try
            {
                job.Run(line[..space], int.Parse(line[(space + 1)..], CultureInfo.InvariantCulture), cancellation);
                answer = new WorkerAnswer();
            }
            catch (UserErrorException error)
            {
                answer = new WorkerAnswer(error.What, error.Remedy);
            }
            catch (Exception error) when (error is not OperationCanceledException)
            {
                answer = new WorkerAnswer($"{error.GetType().Name}: {error.Message}");
            }

            await output.WriteLineAsync(RunJson.Line(answer));
            await output.FlushAsync(cancellation);
        }
    }
}
