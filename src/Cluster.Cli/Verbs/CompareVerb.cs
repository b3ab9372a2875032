using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Cli.Runs;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs;

/// <summary><c>compare</c>: runs, and branches of one, side by side.</summary>
public static class CompareVerb
{
    private const int MostValidations = 20;

    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var named = new Argument<string[]>("RUN") { Description = "Two runs or more: their folders, or their names below --runs.", Arity = new ArgumentArity(2, 16) };
        var runs = Options.Runs();
        var json = Options.Json();
        var command = new Command("compare", "Show in what runs differ: recipes, losses, validations, weights.") { named, runs, json };
        command.SetAction(parsed =>
        {
            var comparison = RunComparison.Of([.. parsed.GetRequiredValue(named).Select(name => Options.Run(name, parsed.GetRequiredValue(runs)))]);
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(comparison));
            else
                Render(comparison, environment);
        });
        return command;
    }

    private static void Render(RunComparison comparison, CliEnvironment environment)
    {
        var console = environment.Console();
        Tables.Columns(console, ["run", ">steps", ">loss", ">validation", ">best", ">at step", ">bits per byte", "weights"],
            comparison.Runs.Select(run => (string[])
            [
                run.Name, Figures.Whole(run.Steps), Loss(run.Loss), Loss(run.ValidationLoss), Loss(run.BestValidationLoss),
                run.BestAtStep is { } step ? Figures.Whole(step) : "", Loss(run.ValidationBitsPerByte), run.WeightsSha256?[..16] ?? "",
            ]));
        if (comparison.Differences.Count > 0)
        {
            environment.Output.WriteLine();
            Tables.Columns(console, ["recipe", .. comparison.Runs.Select(run => run.Name)],
                comparison.Differences.Select(d => (string[])[d.Field, .. d.Values.Select(value => value ?? "")]));
        }

        if (comparison.Validations.Count > 0)
        {
            environment.Output.WriteLine();
            var every = (comparison.Validations.Count + MostValidations - 1) / MostValidations;
            Tables.Columns(console, [">step", .. comparison.Runs.Select(run => ">" + run.Name)],
                comparison.Validations.Where((_, i) => (comparison.Validations.Count - 1 - i) % every == 0)
                    .Select(v => (string[])[Figures.Whole(v.Step), .. v.Losses.Select(Loss)]));
        }

        environment.Output.WriteLine();
        environment.Output.WriteLine(comparison switch
        {
            { CommonSteps: 0 } => "They have no step in common.",
            { FirstUnequalStep: { } step } => $"Their losses are equal to the last bit before step {Figures.Whole(step)} and part there.",
            _ => $"Their losses are equal to the last bit in all {Figures.Whole(comparison.CommonSteps)} steps that they share.",
        });
    }

    private static string Loss(double? value) => value is { } number ? Figures.Number(number, 4) : "";
}
