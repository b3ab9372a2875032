using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench balance</c>.</summary>
internal static class BenchBalanceVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var silos = new Option<int[]>("--silos")
        {
            Description = "Silo processes; may be given several times.",
            HelpName = "N",
            DefaultValueFactory = _ => [2, 4],
        };
        var steps = new Option<int>("--steps")
        {
            Description = "Steps of a run; the second half is slow.",
            HelpName = "N",
            DefaultValueFactory = _ => 240,
        };
        var lane = new Option<double>("--lane-milliseconds")
        {
            Description = "A lane's time on every replica, slept so that few cores do; twice that on the slow one.",
            HelpName = "MS",
            DefaultValueFactory = _ => 25,
        };
        var rounds = new Option<int>("--rounds")
        {
            Description = "Times without and with balancing, in turn.",
            HelpName = "N",
            DefaultValueFactory = _ => 1,
        };
        var json = Options.Json();
        var command = new Command(
            "balance",
            "A replica at half speed, with lanes divided evenly and by speed; "
            + "ends with 1 where weights differ or it costs its share or more.")
        {
            silos, steps, lane, rounds, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            foreach (var count in parsed.GetRequiredValue(silos))
                Options.Check("--silos", count, 2, 16);
            Options.Check("--steps", parsed.GetValue(steps), 80, 100_000);
            Options.Check("--rounds", parsed.GetValue(rounds), 1, 1_000);
            if (parsed.GetValue(lane) is not (>= 1 and <= 10_000))
                throw new UserErrorException(FormattableString.Invariant($"--lane-milliseconds is {parsed.GetValue(lane)}."),
                    "Give milliseconds from 1 to 10000.");
            var folder = Directory.CreateTempSubdirectory("cluster-balance-").FullName;
            var log = parsed.GetValue(json) ? environment.Error : environment.Output;
            log.WriteLine($"logs and runs are in {folder}, which is kept if anything differs");
            var result = await new BalanceBenchmark(folder, parsed.GetValue(steps), parsed.GetValue(lane) / 1_000, log.WriteLine)
                .RunAsync(parsed.GetRequiredValue(silos), parsed.GetValue(rounds), environment.Interrupts.Listen());
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(RunJson.Document(result));
            }
            else
            {
                environment.Output.WriteLine();
                Tables.Columns(
                    environment.Console(),
                    [">silos", ">lanes", "balanced", ">step, ms", ">slowed, ms", ">lost", ">lost, settled", ">share", "lanes at the end",
                    "weights"],
                    result.Runs.Select(row => (string[])
                    [
                        Figures.Whole(row.Silos), Figures.Whole(row.Lanes), row.Balanced ? "yes" : "no",
                        Figures.Number(row.StepMilliseconds, 1),
                        Figures.Number(row.SlowedStepMilliseconds, 1), Percent(row.Lost), Percent(row.SettledLost), Percent(row.Share),
                        string.Join('|', row.LanesAtEnd), row.Equal ? "equal" : "NOT EQUAL",
                    ]));
            }

            if (!result.Holds)
                return 1;
            Directory.Delete(folder, recursive: true);
            return 0;

            static string Percent(double share) => $"{Figures.Number(100 * share, 1)} %";
        });
        return command;
    }
}
