using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench simulate</c>.</summary>
internal static class BenchSimulateVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var seeds = new Option<long>("--seeds") { Description = "Schedules to run.", HelpName = "N", DefaultValueFactory = _ => 1_000_000 };
        var first = new Option<ulong>("--first") { Description = "The first seed.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var json = Options.Json();
        var command = new Command(
            "simulate", "The commit protocol under simulated faults; ends with 1 where an invariant is broken.")
        {
            seeds, first, json,
        };
        command.SetAction(parsed =>
        {
            Options.Check("--seeds", parsed.GetValue(seeds), 1, 1_000_000_000);
            var result = SimulateBenchmark.Run(parsed.GetValue(seeds), parsed.GetValue(first), environment.Interrupts.Listen());
            BenchOptions.Print(environment, parsed.GetValue(json), result);
            return result.Violations == 0 ? 0 : 1;
        });
        return command;
    }
}
