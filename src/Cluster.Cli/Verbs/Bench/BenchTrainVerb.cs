using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;
using Cluster.Core.Models;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench train</c>.</summary>
internal static class BenchTrainVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        Option<string> shape = BenchOptions.Shape();
        Option<Precision> precision = BenchOptions.TrainingPrecision();
        Option<int> replicas = BenchOptions.Replicas("Replicas.", Environment.ProcessorCount);
        Option<int> threads = BenchOptions.ReplicaThreads();
        var processes = new Option<bool>("--processes") { Description = "A silo process for each replica." };
        var steps = new Option<long>("--steps") { Description = "Steps to time.", HelpName = "N", DefaultValueFactory = _ => 20 };
        var eager = new Option<bool>("--beside-eager")
        {
            Description = "Time the same steps in the tensor library's own eager operations too.",
        };
        var set = Options.Set();
        var json = Options.Json();
        var command = new Command(
            "train", "Training steps of the whole path on synthetic tokens.")
        {
            shape, precision, replicas, threads, processes, steps, eager, set, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--replicas", parsed.GetValue(replicas), 1, 256);
            Options.Check("--threads", parsed.GetValue(threads), 1, 256);
            Options.Check("--steps", parsed.GetValue(steps), 2, 90_000);
            BenchOptions.Print(environment, parsed.GetValue(json), await TrainBenchmark.RunAsync(
                parsed.GetRequiredValue(shape), parsed.GetValue(precision), parsed.GetValue(replicas), parsed.GetValue(threads),
                parsed.GetValue(processes),
                parsed.GetValue(steps), parsed.GetValue(eager), parsed.GetValue(set)!, environment.Interrupts.Listen()));
        });
        return command;
    }
}
