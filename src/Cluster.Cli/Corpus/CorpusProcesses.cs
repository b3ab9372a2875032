// Enters: a job. Leaves: the job with all units done, by worker processes. Does not know: what a unit does.

using System.Collections.Concurrent;
using System.Diagnostics;
using System.Globalization;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Pipeline;

namespace Cluster.Cli.Corpus;

/// <summary>
/// Several processes of this program on one corpus, each with one unit at a time. A worker that dies is replaced and its unit given out
/// again; one that dies over the same unit thrice ends the build. A worker whose parent dies ends when its unit is done: its input closes.
/// </summary>
/// <param name="job">Prepared.</param>
/// <param name="processes">Workers.</param>
/// <param name="memoryBytes">For all of them together.</param>
/// <param name="progress">Told after each unit, from any thread.</param>
/// <param name="started">Told the id of each worker process.</param>
internal sealed class CorpusProcesses(CorpusJob job, int processes, long memoryBytes, Action<CorpusBuildProgress> progress, Action<int>? started = null)
{
    private const int MostDeaths = 3;

    public async Task RunAsync(CancellationToken cancellation)
    {
        var workers = new ConcurrentBag<Process>();
        try
        {
            foreach (var phase in job.Phases)
            {
                var pending = new ConcurrentQueue<(int Unit, int Deaths)>(job.Pending(phase).Select(unit => (unit, 0)));
                var done = phase.Units - pending.Count;
                progress(new CorpusBuildProgress(phase.Name, done, phase.Units));
                using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
                var busy = Enumerable.Range(0, Math.Min(processes, pending.Count)).Select(_ => Task.Run(async () =>
                {
                    try
                    {
                        await WorkAsync();
                    }
                    catch
                    {
                        await failed.CancelAsync();
                        throw;
                    }
                })).ToArray();
                try
                {
                    await Task.WhenAll(busy);
                }
                catch (Exception) when (busy.Select(task => task.Exception?.InnerException).OfType<UserErrorException>().FirstOrDefault() is { } error)
                {
                    // The others were only cancelled.
                    throw error;
                }

                async Task WorkAsync()
                {
                    if (!workers.TryTake(out var worker))
                        worker = Start();
                    while (pending.TryDequeue(out var next))
                    {
                        if (await AskAsync(worker, phase.Name, next.Unit, failed.Token))
                        {
                            progress(new CorpusBuildProgress(phase.Name, Interlocked.Increment(ref done), phase.Units));
                            continue;
                        }

                        await EndAsync(worker);
                        if (next.Deaths + 1 == MostDeaths)
                        {
                            throw new UserErrorException(
                                $"A worker process died {MostDeaths} times over unit {next.Unit} of the phase {phase.Name}.", "Give it more memory, or fewer processes; its messages are above.");
                        }

                        pending.Enqueue((next.Unit, next.Deaths + 1));
                        worker = Start();
                    }

                    workers.Add(worker);
                }
            }
        }
        finally
        {
            foreach (var worker in workers)
                await EndAsync(worker);
        }
    }

    private Process Start()
    {
        var program = Environment.ProcessPath ?? throw new InvalidOperationException("This process has no path.");
        var start = new ProcessStartInfo(program) { RedirectStandardInput = true, RedirectStandardOutput = true };
        if (Path.GetFileNameWithoutExtension(program) is "dotnet" or "testhost")
        {
            start.FileName = "dotnet";
            start.ArgumentList.Add(typeof(CorpusProcesses).Assembly.Location);
        }

        foreach (var argument in (string[])["corpus", CorpusWorker.Verb, "--out", job.Folder.Root, "--memory", Math.Max(1, memoryBytes / processes >> 20).ToString(CultureInfo.InvariantCulture)])
            start.ArgumentList.Add(argument);
        var worker = Process.Start(start)!;
        started?.Invoke(worker.Id);
        return worker;
    }

    /// <summary>Whether the unit is done; false if the worker died over it.</summary>
    private static async Task<bool> AskAsync(Process worker, string phase, int unit, CancellationToken cancellation)
    {
        string? line;
        try
        {
            await worker.StandardInput.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{phase} {unit}").AsMemory(), cancellation);
            await worker.StandardInput.FlushAsync(cancellation);
            line = await worker.StandardOutput.ReadLineAsync(cancellation);
        }
        catch (IOException)
        {
            // The pipe broke: it is gone.
            return false;
        }
        catch (OperationCanceledException)
        {
            worker.Kill();
            worker.Dispose();
            throw;
        }

        if (line is null)
            return false;
        var answer = RunJson.Parse<WorkerAnswer>(line, "a worker's answer");
        return answer.What is null
            ? true
            : throw (answer.Remedy is { } remedy ? new UserErrorException(answer.What, remedy) : new InvalidOperationException(answer.What));
    }

    private static async Task EndAsync(Process worker)
    {
        using var ended = worker;
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(10));
        try
        {
            worker.StandardInput.Close();
            await worker.WaitForExitAsync(patience.Token);
        }
        catch (Exception error) when (error is IOException or OperationCanceledException)
        {
            worker.Kill();
        }
    }
}
