using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Cli.Runs;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs;

/// <summary><c>runs</c>: what is in the runs folder.</summary>
public static class RunsVerb
{
    /// <summary>Where runs are if nothing else is said.</summary>
    public const string DefaultRoot = "./runs";

    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var root = new Option<string>("--root") { Description = "The folder to look in.", HelpName = "DIR", DefaultValueFactory = _ => DefaultRoot };
        var json = Options.Json();
        var command = new Command("runs", "List runs with their state, steps and loss.") { root, json };
        command.SetAction(parsed =>
        {
            var folder = Path.GetFullPath(parsed.GetRequiredValue(root));
            var list = RunList.Of(folder);
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(list));
            else
                Render(list, environment);
        });
        return command;
    }

    private static void Render(RunList list, CliEnvironment environment)
    {
        if (list.Runs.Count == 0)
        {
            environment.Output.WriteLine($"There are no runs in {list.Root}. Start one: {environment.Command} demo");
            return;
        }

        Tables.Columns(environment.Console(), ["run", "state", ">steps", ">validation loss", ">bits per byte", ">parameters", "recipe", "note"],
            list.Runs.Select(run => (string[])
            [
                run.Name, run.State.ToString().ToLowerInvariant(),
                run.Steps is { } steps ? Figures.Whole(steps) : "",
                run.ValidationLoss is { } loss ? Figures.Number(loss, 4) : "",
                run.ValidationBitsPerByte is { } bits ? Figures.Number(bits, 4) : "",
                run.Parameters is { } parameters ? Figures.Count(parameters) : "",
                run.Recipe ?? "", run.Problem is { } problem ? PlainText.Short(problem, 160) : "",
            ]));
    }
}
