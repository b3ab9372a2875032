using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Models;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench train-options</c>.</summary>
internal static class BenchTrainOptionsVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        Option<string> shape = BenchOptions.Shape();
        Option<Precision> precision = BenchOptions.TrainingPrecision();
        Option<int> replicas = BenchOptions.Replicas("Replicas, a silo process for each.", 2);
        Option<int> threads = BenchOptions.ReplicaThreads();
        var steps = new Option<long>("--steps")
        {
            Description = "Steps to time for each option.",
            HelpName = "N",
            DefaultValueFactory = _ => 8,
        };
        var json = Options.Json();
        var command = new Command(
            "train-options", "Memory of a replica, time of a step and bytes on the wire with each option of the recipe that trades them.")
        {
            shape, precision, replicas, threads, steps, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--replicas", parsed.GetValue(replicas), 1, 64);
            Options.Check("--threads", parsed.GetValue(threads), 1, 256);
            Options.Check("--steps", parsed.GetValue(steps), 2, 90_000);
            var result = await TrainOptionsBenchmark.RunAsync(parsed.GetRequiredValue(shape), parsed.GetValue(precision),
                parsed.GetValue(replicas),
                parsed.GetValue(threads), parsed.GetValue(steps), environment.Error.WriteLine, environment.Interrupts.Listen());
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(RunJson.Document(result));
                return;
            }

            Tables.Pairs(environment.Console(),
            [
                ("shape", result.Shape), ("precision", result.Precision),
                ("replicas", $"{result.Replicas}, each a process of {result.Threads} thread(s)"), ("steps", Figures.Whole(result.Steps)),
            ]);
            environment.Output.WriteLine();
            Tables.Columns(
                environment.Console(),
                ["option", ">memory of a replica, MB", ">planned", ">resident at most", ">tokens a step", ">step, ms", ">of processor",
                ">on the wire, MB a step"],
                result.Options.Select(row => (string[])
                [
                    row.Option, Megabytes(row.ReplicaBytes), Megabytes(row.PlannedBytes), Megabytes(row.PeakResidentBytes),
                    Figures.Whole(row.TokensPerStep),
                    Figures.Number(row.StepMilliseconds, 0), Figures.Number(row.ProcessorMilliseconds, 0), Megabytes(row.WireBytesPerStep),
                ]));
        });
        return command;

        static string Megabytes(long bytes) => Figures.Number(bytes / 1e6, 1);
    }
}
