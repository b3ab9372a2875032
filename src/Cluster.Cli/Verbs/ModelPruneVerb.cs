using System.CommandLine;
using System.Globalization;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Model.Pruning;
using Cluster.Silo.Streamlining;
using Spectre.Console;

namespace Cluster.Cli.Verbs;

/// <summary><c>model prune</c>: a run's model without some of its heads, neurons or weights, if it stays as good.</summary>
public static class ModelPruneVerb
{
    private const double Bound = 5;

    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var run = new Option<string>("--run") { Description = "The run's folder.", HelpName = "DIR", Required = true };
        var to = new Option<string?>("--out") { Description = "The folder of the pruned run; DIR-pruned if not given.", HelpName = "DIR" };
        var heads = Share("--heads", "Share of each layer's attention heads to remove; with grouped queries a key and value head goes with its queries.");
        var neurons = Share("--neurons", "Share of each layer's feed-forward neurons to remove, in steps of 16.");
        var magnitude = Share("--magnitude", "Share of the blocks' weights to set to zero, the smallest first. The model stays as large and as fast.");
        var scope = new Option<string>("--scope") { Description = "Where --magnitude seeks the smallest: layer (each matrix) or global.", HelpName = "SCOPE", DefaultValueFactory = _ => "layer" };
        var by = new Option<string>("--by")
        {
            Description = "What ranks heads and neurons: sensitivity (of the loss, on training text) or magnitude (of their weights).",
            HelpName = "CRITERION",
            DefaultValueFactory = _ => "sensitivity",
        };
        var steps = new Option<int>("--steps")
        {
            Description = "Steps of training on the run's data: the first half prunes little by little, the other recovers. 0 prunes at once.",
            HelpName = "N",
            DefaultValueFactory = _ => 0,
        };
        var bound = new Option<string?>("--bound")
        {
            Description = FormattableString.Invariant($"Largest growth of bits per byte on the validation text, as in 5%; {Bound}% if not given. A model beyond it is not written."),
            HelpName = "PERCENT",
        };
        var threads = Options.Threads();
        var json = Options.Json();
        var command = new Command("prune", "Write a smaller run without the least important heads, neurons or weights, unless its loss grows beyond a bound.")
        {
            run, to, heads, neurons, magnitude, scope, by, steps, bound, threads, json,
        };
        command.SetAction(parsed =>
        {
            Options.Check("--threads", parsed.GetValue(threads), 1, 256);
            var folder = new RunFolder(parsed.GetRequiredValue(run));
            var result = RunPruner.Run(
                new PruneRequest(folder, new RunFolder(parsed.GetValue(to) ?? folder.Path + "-pruned"), parsed.GetValue(heads), parsed.GetValue(neurons), parsed.GetValue(magnitude),
                    parsed.GetValue(scope) switch
                    {
                        "layer" => MagnitudeScope.Layer,
                        "global" => MagnitudeScope.Global,
                        var other => throw new UserErrorException($"--scope is \"{other}\".", "Give layer or global."),
                    },
                    parsed.GetValue(by) switch
                    {
                        "sensitivity" => PruningCriterion.Sensitivity,
                        "magnitude" => PruningCriterion.Magnitude,
                        var other => throw new UserErrorException($"--by is \"{other}\".", "Give sensitivity or magnitude."),
                    },
                    parsed.GetValue(steps), parsed.GetValue(bound) is { } text ? Options.Percent("--bound", text) : Bound, parsed.GetValue(threads)),
                line => environment.Error.WriteLine(PlainText.OneLine(line)), environment.Interrupts.Listen());
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(result));
            else
                Render(result, environment);
        });
        return command;
    }

    private static Option<double> Share(string name, string description) => new(name)
    {
        Description = description,
        HelpName = "SHARE",
        DefaultValueFactory = _ => 0,
        // Whatever the machine's language, 0.5 is a half.
        CustomParser = argument => double.TryParse(argument.Tokens[0].Value, NumberStyles.Float, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new UserErrorException($"{name} is \"{argument.Tokens[0].Value}\".", "Give a share from 0 to below 1."),
    };

    private static void Render(PruneResult result, CliEnvironment environment)
    {
        var console = environment.Console();
        var rows = new List<IReadOnlyList<string>>
        {
            new[] { "heads a layer", Figures.Whole(result.HeadsBefore), Figures.Whole(result.Heads), "" },
            new[] { "neurons a layer", Figures.Whole(result.NeuronsBefore), Figures.Whole(result.Neurons), "" },
            new[] { "size in fp32", Figures.Bytes(result.BytesBefore), Figures.Bytes(result.Bytes), Figures.Number((double)result.Bytes / result.BytesBefore, 3) + " times" },
            new[] { "zeros of the blocks' weights", "", Figures.Number(100 * result.ZeroShare, 1) + " %", "" },
            new[] { "tokens/s, alone", Figures.Number(result.TokensPerSecondBefore, 0), Figures.Number(result.TokensPerSecond, 0), Figures.Number(result.TokensPerSecond / result.TokensPerSecondBefore, 2) + " times" },
            new[] { "bits per byte", Figures.Number(result.BitsPerByteBefore, 4), Figures.Number(result.BitsPerByte, 4), Growth(result.BitsPerByteBefore, result.BitsPerByte) },
        };
        if (result.DialogueBitsPerByte is { } answers)
            rows.Add(["bits per byte of answers", Figures.Number(result.DialogueBitsPerByteBefore!.Value, 4), Figures.Number(answers, 4), Growth(result.DialogueBitsPerByteBefore.Value, answers)]);
        Tables.Columns(console, ["", ">before", ">pruned", ">"], rows);
        console.WriteLine();
        console.WriteLine($"The pruned run is in {result.Path}");
    }

    private static string Growth(double before, double after) => string.Create(CultureInfo.InvariantCulture, $"{100 * (after / before - 1):+0.00;-0.00} %");
}
