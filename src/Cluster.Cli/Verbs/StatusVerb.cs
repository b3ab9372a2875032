using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Cli.Rendering;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs;

/// <summary><c>status</c>: silos and runs of the cluster on this machine.</summary>
public static class StatusVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var runs = Options.Runs();
        var json = Options.Json();
        var command = new Command("status", "Show silos and runs of the cluster that `up` started.") { runs, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            var state = new ClusterFolder(parsed.GetRequiredValue(runs)).Running(environment.Command);
            var status = await ClusterStatus.AskAsync(state, environment.Time.GetUtcNow(), cancellation);
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(status));
            else
                Render(status, environment);
        });
        return command;
    }

    internal static void RenderSilos(ClusterStatus status, CliEnvironment environment)
    {
        if (status.Silos.Count == 0)
        {
            environment.Output.WriteLine($"No silo runs. Add one: {environment.Command} silo add");
            return;
        }

        Tables.Columns(environment.Console(), ["silo", "membership", ">process", ">port", "health, metrics", ">up for"], status.Silos.Select(silo => (string[])
        [
            silo.Name, silo.Membership?.ToLowerInvariant() ?? "unknown", $"{silo.Pid}", $"{silo.Port}", silo.Http ?? "starting", Figures.Duration(silo.UptimeSeconds),
        ]));
    }

    private static void Render(ClusterStatus status, CliEnvironment environment)
    {
        Tables.Pairs(environment.Console(), [("page", status.Web ?? "starting"), ("runs", Paths.ForPeople(status.Runs)), ("store", status.Store)]);
        environment.Output.WriteLine();
        RenderSilos(status, environment);
        environment.Output.WriteLine();
        if (status.Problem is { } problem)
            environment.Output.WriteLine(PlainText.OneLine(problem));
        else if (status.Work.Count == 0)
            environment.Output.WriteLine($"Nothing is being trained. Start: {environment.Command} train --recipe demo --cluster");
        else
        {
            Tables.Columns(environment.Console(), ["run", "state", "stage", ">done", "note"], status.Work.Select(run => (string[])
            [
                run.Name, run.State, run.Stage, $"{Figures.Number(run.Fraction * 100, 0)} %", PlainText.Short(run.Message, 80),
            ]));
        }
    }
}
