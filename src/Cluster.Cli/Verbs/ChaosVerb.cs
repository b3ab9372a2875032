using System.CommandLine;
using System.Globalization;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Cli.Rendering;
using Cluster.Cli.Runs;
using Cluster.Core.Errors;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs;

/// <summary><c>chaos</c>: silos of a running cluster are killed, stopped, drained and replaced at random.</summary>
public static class ChaosVerb
{
    private const double ShortestMtbf = 1, LongestMtbf = 86_400;

    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var mtbf = new Option<double>("--mtbf") { Description = "Mean seconds between faults.", HelpName = "S", Required = true };
        var duration = new Option<int?>("--for") { Description = "Seconds until it stops; until Ctrl-C if not given.", HelpName = "S" };
        var keep = new Option<int>("--keep") { Description = "Silos that go on at any time.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var seed = new Option<int>("--seed") { Description = "Decides what happens, to whom and when.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var runs = Options.Runs();
        var json = Options.Json();
        var command = new Command("chaos", "Kill, stop, drain and replace silos of the cluster that `up` started, at random.") { mtbf, duration, keep, seed, runs, json };
        command.SetAction(async (parsed, _) =>
        {
            if (parsed.GetValue(mtbf) is not (>= ShortestMtbf and <= LongestMtbf))
            {
                throw new UserErrorException(
                    string.Create(CultureInfo.InvariantCulture, $"--mtbf is {parsed.GetValue(mtbf)}."),
                    string.Create(CultureInfo.InvariantCulture, $"Give seconds from {ShortestMtbf} to {LongestMtbf}."));
            }

            Options.Check("--for", parsed.GetValue(duration), 1, 10_000_000);
            Options.Check("--keep", parsed.GetValue(keep), 1, 64);
            var folder = new ClusterFolder(parsed.GetRequiredValue(runs));
            var log = parsed.GetValue(json) ? environment.Error : environment.Output;
            await using var connection = await ClusterConnection.OpenAsync(folder.Running(environment.Command));
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(environment.Interrupts.Listen());
            if (parsed.GetValue(duration) is { } seconds)
                stop.CancelAfter(TimeSpan.FromSeconds(seconds));
            var result = await new Chaos(
                connection, () => folder.Running(environment.Command), parsed.GetValue(mtbf), parsed.GetValue(keep), environment.Time, log.WriteLine)
                .RunAsync(parsed.GetValue(seed), stop.Token);
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(result));
            else
                Render(result, environment);
        });
        return command;
    }

    private static void Render(ChaosResult result, CliEnvironment environment)
    {
        environment.Output.WriteLine();
        Tables.Pairs(environment.Console(),
        [
            ("killed", $"{result.Kills}"), ("hung", $"{result.Hangs}"), ("drained", $"{result.Drains}"), ("added", $"{result.Added}"),
            ("next COMMIT", result.NextCommit.Count == 0 ? "nothing was being trained" : string.Create(CultureInfo.InvariantCulture,
                $"after {result.NextCommit.P50:0.0} s (median), {result.NextCommit.Longest:0.0} s (longest), {result.NextCommit.Count} times")),
        ]);
    }
}
