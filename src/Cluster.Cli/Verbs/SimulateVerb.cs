using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Cli.Runs;
using Cluster.Core.Errors;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs;

/// <summary><c>simulate</c>: what coordination costs with many replicas, on this machine's processes.</summary>
public static class SimulateVerb
{
    private static readonly int[] s_replicas = [16, 128, 1_024];

    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var replicas = new Option<int[]>("--replicas") { Description = "Simulated replicas; may be given again. 16, 128 and 1,024 in turn if not given.", HelpName = "N", DefaultValueFactory = _ => s_replicas };
        var mtbf = Seconds("--mtbf", "Mean seconds between failures of one replica; 0 for none.", 1_800);
        var step = Seconds("--step-time", "Seconds of a step.", 1);
        var silos = new Option<int>("--silos") { Description = "Silo processes.", HelpName = "N", DefaultValueFactory = _ => 2 };
        var steps = new Option<int>("--steps") { Description = "Steps to measure.", HelpName = "N", DefaultValueFactory = _ => 60 };
        var restart = Seconds("--restart-time", "Seconds from a failure to the replica's return.", 5);
        var copy = Seconds("--copy-time", "Seconds that a replica which returns takes to copy the state.", 0.2);
        var lanes = new Option<int>("--lanes-per-replica") { Description = "Lanes of each replica.", HelpName = "N", DefaultValueFactory = _ => 4 };
        var jitter = new Option<double>("--jitter") { Description = "A lane takes up to this share longer, 0 to 1; with 0 all are ready at once.", HelpName = "SHARE", DefaultValueFactory = _ => 0.05 };
        var seed = new Option<ulong>("--seed") { Description = "Of hashes, jitter and failures.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var json = Options.Json();
        var command = new Command("simulate", "The real coordinator, schedule and shards over silo processes, with replicas that compute nothing: what coordination costs.")
        {
            replicas, mtbf, step, silos, steps, restart, copy, lanes, jitter, seed, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            var count = parsed.GetValue(silos);
            Options.Check("--silos", count, 1, 16);
            Options.Check("--steps", parsed.GetValue(steps), 10, 100_000);
            Options.Check("--lanes-per-replica", parsed.GetValue(lanes), 1, 64);
            foreach (var number in parsed.GetRequiredValue(replicas))
            {
                Options.Check("--replicas", number, count, 65_536 / parsed.GetValue(lanes));
                if (number % count != 0)
                    throw new UserErrorException($"--replicas is {number}, which {count} silos cannot share evenly.", $"Give a multiple of {count}.");
            }

            var folder = Directory.CreateTempSubdirectory("cluster-simulate-").FullName;
            try
            {
                var log = parsed.GetValue(json) ? environment.Error : environment.Output;
                var result = await new ClusterSimulation(folder, log.WriteLine).RunAsync(new SimulationRequest
                {
                    Replicas = parsed.GetRequiredValue(replicas),
                    Silos = count,
                    StepSeconds = Check("--step-time", parsed.GetValue(step), 0.01),
                    Steps = parsed.GetValue(steps),
                    MeanSecondsBetweenFailures = Check("--mtbf", parsed.GetValue(mtbf), 0),
                    Jitter = parsed.GetValue(jitter) is >= 0 and <= 1 and var share
                        ? share
                        : throw new UserErrorException(FormattableString.Invariant($"--jitter is {parsed.GetValue(jitter)}."), "Give a share from 0 to 1."),
                    RestartSeconds = Check("--restart-time", parsed.GetValue(restart), 0),
                    CopySeconds = Check("--copy-time", parsed.GetValue(copy), 0),
                    LanesPerReplica = parsed.GetValue(lanes),
                    Seed = parsed.GetValue(seed),
                }, environment.Interrupts.Listen());
                if (parsed.GetValue(json))
                    environment.Output.WriteLine(RunJson.Document(result));
                else
                    Render(result, environment);
                return result.Runs.All(run => run.Wrong == 0) ? 0 : 1;
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        });
        return command;
    }

    private static Option<double> Seconds(string name, string what, double otherwise) =>
        new(name) { Description = what, HelpName = "S", DefaultValueFactory = _ => otherwise };

    private static double Check(string option, double value, double low) => value >= low && value <= 1e9
        ? value
        : throw new UserErrorException(FormattableString.Invariant($"{option} is {value}."), FormattableString.Invariant($"Give seconds from {low} to 1000000000."));

    private static void Render(SimulationResult result, CliEnvironment environment)
    {
        environment.Output.WriteLine();
        Tables.Columns(
            environment.Console(),
            [">replicas", ">coordinator, ms p50", ">p99", ">goodput", ">failures", ">recovery, s p50", ">p99", ">messages/step", ">kB/step", ">silos' CPU, ms/step", ">store's", ">load"],
            result.Runs.Select(run => (string[])
            [
                Figures.Whole(run.Replicas), Figures.Number(run.CoordinatorMilliseconds.P50, 2), Figures.Number(run.CoordinatorMilliseconds.P99, 2),
                Figures.Number(100 * run.Goodput, 1) + " %", $"{run.Failures}", Figures.Number(run.Recovery.P50, 2), Figures.Number(run.Recovery.P99, 2),
                Figures.Number(run.MessagesPerStep, 1), Figures.Number(run.BytesPerStep / 1_000, 1), Figures.Number(run.SilosProcessorMilliseconds, 1),
                Figures.Number(run.StoreProcessorMilliseconds, 1), Figures.Number(run.Load, 1),
            ]));
        environment.Output.WriteLine();
        environment.Output.WriteLine(result.Runs.All(run => run.Wrong == 0)
            ? "Coordinator time: from the last READY said to the last COMMIT heard, durable write included."
            : "WRONG BITS: please report this with the output of `cluster doctor`.");
    }
}
