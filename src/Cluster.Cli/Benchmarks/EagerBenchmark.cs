// The peer of `bench train`: the same steps in the eager library's own operations.
using System.Diagnostics;
using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Core.Recipes;
using Cluster.Model.Optimizer;
using Cluster.Model.Peers;
using Cluster.Model.Training;

namespace Cluster.Cli.Benchmarks;

/// <summary>Trains with <see cref="EagerTrainer"/> on synthetic tokens and times it.</summary>
internal static class EagerBenchmark
{
    private const int WarmUp = 3;

    /// <returns>Tokens per second, all lanes as one batch.</returns>
    public static double Run(Recipe recipe, Precision precision, int threads, long steps, CancellationToken cancellation)
    {
        var shape = recipe.Resolved(recipe.Model.Vocabulary, 0, precision).Model;
        var rows = recipe.Training.Lanes * recipe.Training.MicroBatch * shape.Context;
        var random = new CounterRandom(1, RandomPurpose.Synthetic, 0);
        int[] ids = [.. Enumerable.Range(0, rows + 1).Select(i => (int)random.Below((ulong)i, (ulong)shape.Vocabulary))];
        var batch = new MicroBatch(ids[..rows], ids[1..], [.. Enumerable.Repeat((byte)1, rows)], shape.Context);
        double rate = 0;
        // Settings of threads and scopes are a thread's own.
        var thread = new Thread(() =>
        {
            using var trainer = new EagerTrainer(new EngineOptions(shape, precision, rows, new AdamWOptions(), threads), 1);
            long start = 0;
            for (var step = 1; step <= WarmUp + steps && !cancellation.IsCancellationRequested; step++)
            {
                if (step == WarmUp + 1)
                    start = Stopwatch.GetTimestamp();
                trainer.Step(batch, recipe.Training.LearningRate, step);
            }

            rate = rows * steps / Stopwatch.GetElapsedTime(start).TotalSeconds;
        });
        thread.Start();
        thread.Join();
        cancellation.ThrowIfCancellationRequested();
        return rate;
    }
}
