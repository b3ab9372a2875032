using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench chaos</c>.</summary>
internal static class BenchChaosVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var seeds = new Option<int>("--seeds")
        {
            Description = "Runs, each with a kill in every phase of a step and one of every other fault.",
            HelpName = "N",
            DefaultValueFactory = _ => 20,
        };
        var first = new Option<int>("--first") { Description = "The first seed.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var silos = new Option<int>("--silos") { Description = "Silo processes.", HelpName = "N", DefaultValueFactory = _ => 3 };
        var steps = new Option<int>("--steps") { Description = "Steps of a run.", HelpName = "N", DefaultValueFactory = _ => 3_000 };
        var json = Options.Json();
        var command = new Command(
            "chaos",
                "Training on silos that are killed, hang and lose connections; ends with 1 where anything differs from an undisturbed run.")
        {
            seeds, first, silos, steps, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--seeds", parsed.GetValue(seeds), 1, 100_000);
            Options.Check("--silos", parsed.GetValue(silos), 2, 16);
            Options.Check("--steps", parsed.GetValue(steps), 20, 1_000_000);
            var folder = Directory.CreateTempSubdirectory("cluster-chaos-").FullName;
            var log = parsed.GetValue(json) ? environment.Error : environment.Output;
            log.WriteLine($"logs and runs are in {folder}, which is kept if anything differs");
            var result = await new ChaosBenchmark(folder, parsed.GetValue(silos), parsed.GetValue(steps), log.WriteLine)
                .RunAsync(parsed.GetValue(seeds), parsed.GetValue(first), environment.Interrupts.Listen());
            BenchOptions.Print(environment, parsed.GetValue(json), result);
            if (!result.Holds)
                return 1;
            Directory.Delete(folder, recursive: true);
            return 0;
        });
        return command;
    }
}
