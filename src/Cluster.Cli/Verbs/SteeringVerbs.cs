using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Runs;

namespace Cluster.Cli.Verbs;

/// <summary><c>rollback</c>, <c>change</c> and <c>branch</c>: pre-training steered by hand, and still a function of its recipe.</summary>
public static class SteeringVerbs
{
    /// <summary>The command.</summary>
    public static Command Rollback(CliEnvironment environment)
    {
        var fromStart = new Option<bool>("--from-start") { Description = "Train from the initial weights where no checkpoint is old enough." };
        return Make(environment, "rollback", "Go back to a step of pre-training, and perhaps on with other settings from there.",
            (run, step, change, parsed) => new RunSteering(TimeProvider.System).Rollback(run, step, change, parsed.GetValue(fromStart)), fromStart);
    }

    /// <summary>The command.</summary>
    public static Command Change(CliEnvironment environment) =>
        Make(environment, "change", "Have pre-training go on with other settings from a step on that it has not passed yet.",
            (run, _, change, _) => new RunSteering(TimeProvider.System).Change(run, change
                ?? throw new UserErrorException("Nothing is to change.", "Give --learning-rate, --micro-batches or --data.")));

    /// <summary>The command.</summary>
    public static Command Branch(CliEnvironment environment)
    {
        var folder = new Option<string>("--out") { Description = "The branch's folder.", HelpName = "DIR", Required = true };
        return Make(environment, "branch", "Begin a run that shares another's first steps; the other stays as it is.",
            (run, step, change, parsed) => new RunSteering(TimeProvider.System).Branch(run, new RunFolder(parsed.GetRequiredValue(folder)), step, change), folder);
    }

    private static Command Make(
        CliEnvironment environment, string name, string description,
        Func<RunFolder, long, RecipeChange?, ParseResult, SteeringResult> steer, params Option[] more)
    {
        var run = new Argument<string>("RUN") { Description = "The run's folder, or its name below --runs." };
        var step = new Argument<long>("STEP") { Description = "Steps applied before what follows is different." };
        var rate = new Option<double?>("--learning-rate") { Description = "Peak learning rate from there on; phases still scale it.", HelpName = "X" };
        var batches = new Option<int?>("--micro-batches") { Description = "Micro-batches per lane and step from there on, 1 to 4096.", HelpName = "N" };
        var data = new Option<string?>("--data") { Description = "Documents to read from there on: all, or best (the best decile by quality).", HelpName = "KIND" };
        data.AcceptOnlyFromAmong("all", "best");
        var runs = Options.Runs();
        var json = Options.Json();
        var command = new Command(name, description) { run, step, rate, batches, data, runs, json };
        foreach (var option in more)
            command.Add(option);
        command.SetAction(parsed =>
        {
            var change = new RecipeChange
            {
                FromStep = parsed.GetValue(step),
                LearningRate = parsed.GetValue(rate),
                MicroBatches = parsed.GetValue(batches),
                Data = parsed.GetValue(data) switch { null => null, "best" => PhaseData.Best, _ => PhaseData.All },
            };
            var folder = Options.Run(parsed.GetRequiredValue(run), parsed.GetRequiredValue(runs));
            var result = steer(folder, change.FromStep, change is { LearningRate: null, MicroBatches: null, Data: null } ? null : change, parsed);
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(result));
            else
                Render(result, environment);
        });
        return command;
    }

    private static void Render(SteeringResult result, CliEnvironment environment)
    {
        var rows = new List<(string, string)>
        {
            ("run", $"{result.Run} in {result.Path}"),
            ("goes on from", result.Checkpoint == 0 ? "the initial weights" : $"the checkpoint of step {Figures.Whole(result.Checkpoint)}"),
        };
        if (result.Replayed > 0)
            rows.Add(("trains again", $"{Figures.Whole(result.Replayed)} steps, to the same bits"));
        if (result.Deleted.Count > 0)
            rows.Add(("deleted", $"the checkpoints of steps {string.Join(", ", result.Deleted.Select(Figures.Whole))}"));
        if (result.Change is { } change)
            rows.Add(($"from step {Figures.Whole(change.FromStep)}", RunJson.Line(change with { FromStep = 0 }).Replace("\"from_step\":0,", "", StringComparison.Ordinal)));
        if (result.Abandoned.Count > 0)
            rows.Add(("given up", string.Join("; ", result.Abandoned.Select(RunJson.Line))));
        Tables.Pairs(environment.Console(), rows);
        environment.Output.WriteLine($"Train on: {environment.Command} train --out {Quoting.Line([result.Path])} --resume");
    }
}
