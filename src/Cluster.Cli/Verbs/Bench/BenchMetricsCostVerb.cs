using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;
using Cluster.Core.Models;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench metrics-cost</c>.</summary>
internal static class BenchMetricsCostVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        Option<string> shape = BenchOptions.Shape();
        Option<Precision> precision = BenchOptions.TrainingPrecision();
        Option<int> replicas = BenchOptions.Replicas("Replicas.", Environment.ProcessorCount);
        Option<int> threads = BenchOptions.ReplicaThreads();
        var pairs = new Option<int>("--pairs")
        {
            Description = "Blocks without and with somebody who watches, in turn.",
            HelpName = "N",
            DefaultValueFactory = _ => 10,
        };
        var steps = new Option<long>("--steps")
        {
            Description = "Steps of a block; it should last for several scrapes.",
            HelpName = "N",
            DefaultValueFactory = _ => 24,
        };
        var json = Options.Json();
        var command = new Command(
            "metrics-cost",
            "Training steps with nobody listening and with a scrape every five seconds, as infra/prometheus has it; "
            + "ends with 1 where that costs a hundredth of the processor's time or more.")
        {
            shape, precision, replicas, threads, pairs, steps, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--replicas", parsed.GetValue(replicas), 1, 256);
            Options.Check("--threads", parsed.GetValue(threads), 1, 256);
            Options.Check("--pairs", parsed.GetValue(pairs), 1, 1_000);
            Options.Check("--steps", parsed.GetValue(steps), 1, 10_000);
            var result = await MetricsCostBenchmark.RunAsync(
                parsed.GetRequiredValue(shape), parsed.GetValue(precision), parsed.GetValue(replicas), parsed.GetValue(threads),
                parsed.GetValue(pairs),
                parsed.GetValue(steps), environment.Interrupts.Listen());
            BenchOptions.Print(environment, parsed.GetValue(json), result);
            return result.CpuShare < MetricsCostBenchmark.Most ? 0 : 1;
        });
        return command;
    }
}
