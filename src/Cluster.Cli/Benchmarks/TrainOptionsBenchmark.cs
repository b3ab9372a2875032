// Enters: a shape. Leaves: what each option of training costs and saves, one row each, measured one after another.
// Does not know: what an option does; it is a recipe's fields.
using Cluster.Core.Models;
using Cluster.Core.Recipes;

namespace Cluster.Cli.Benchmarks;

/// <summary>One way to train the same tokens.</summary>
/// <param name="Option">Its name.</param>
/// <param name="Fields">What it sets in the recipe.</param>
/// <param name="ReplicaBytes">Weights, moments, gradients and activations of a replica, counted as they were allocated; the largest replica's. More than
/// planned where a replica once stood in for another: before that one had joined, or after it was lost.</param>
/// <param name="PlannedBytes">What <c>cluster plan</c> says of it.</param>
/// <param name="PeakResidentBytes">The most that a replica's process ever had in memory; pages of peers' gradients that it read are among them.</param>
/// <param name="TokensPerStep">Of all lanes.</param>
/// <param name="StepMilliseconds">Mean.</param>
/// <param name="ProcessorMilliseconds">Of all replicas' processes, in a step.</param>
/// <param name="WireBytesPerStep">Read of peers by all replicas.</param>
public sealed record TrainOption(
    string Option, IReadOnlyList<string> Fields, long ReplicaBytes, long PlannedBytes, long PeakResidentBytes, long TokensPerStep, double StepMilliseconds,
    double ProcessorMilliseconds, long WireBytesPerStep);

/// <summary>All of them.</summary>
/// <param name="Shape">S or M.</param>
/// <param name="Precision">Of activations.</param>
/// <param name="Replicas">Each a process.</param>
/// <param name="Threads">Of each.</param>
/// <param name="Steps">Measured for each option.</param>
/// <param name="Options">A row for each.</param>
public sealed record TrainOptionsResult(string Shape, string Precision, int Replicas, int Threads, long Steps, IReadOnlyList<TrainOption> Options);

/// <summary>Trains a shape with each option of the recipe that trades memory, time and bytes.</summary>
internal static class TrainOptionsBenchmark
{
    /// <summary>The options, by what they set; a recipe of its own may be asked what it has.</summary>
    private static readonly (string Name, Func<Recipe, string[]> Fields)[] s_options =
    [
        ("none", _ => []),
        ("activation checkpointing", _ => ["training.activation_checkpointing=block"]),
        ("sharded optimizer", _ => ["training.sharded_optimizer=true"]),
        ("reduction in bf16", _ => ["training.reduction_precision=bf16"]),
        ("gradient accumulation", Accumulate),
        ("all but the sharded optimizer", recipe => ["training.activation_checkpointing=block", "training.reduction_precision=bf16", .. Accumulate(recipe)]),
    ];

    public static async Task<TrainOptionsResult> RunAsync(
        string shape, Precision precision, int replicas, int threads, long steps, Action<string> say, CancellationToken cancellation)
    {
        var rows = new List<TrainOption>();
        TrainBenchmarkResult? last = null;
        foreach (var (name, fields) in s_options)
        {
            say(name);
            var set = fields(BenchmarkShape.Get(shape));
            // Processes of its own for each: what one option had in memory is no other's.
            last = await TrainBenchmark.RunAsync(shape, precision, replicas, threads, processes: true, steps, besideEager: false, set, cancellation);
            rows.Add(new TrainOption(name, set, last.ReplicaBytes, last.PlannedBytes, last.PeakResidentBytes, last.TokensPerStep, last.StepMilliseconds,
                last.ProcessorMilliseconds, last.WireBytesPerStep));
        }

        return new TrainOptionsResult(shape, last!.Precision, replicas, threads, steps, rows);
    }

    /// <summary>The same tokens of a step as twice as many micro-batches of half the size.</summary>
    private static string[] Accumulate(Recipe recipe)
    {
        var batches = 2 * recipe.Phases[0].MicroBatchesStart;
        return
        [
            FormattableString.Invariant($"training.micro_batch={recipe.Training.MicroBatch / 2}"),
            FormattableString.Invariant($"phases.0.micro_batches_start={batches}"), FormattableString.Invariant($"phases.0.micro_batches_end={batches}"),
        ];
    }
}
