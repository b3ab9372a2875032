using System.CommandLine;
using Cluster.Cli.Corpus;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Quality;

namespace Cluster.Cli.Verbs;

/// <summary><c>corpus train-quality</c> and <c>corpus train-toxicity</c>: one classifier from labelled text.</summary>
public static class CorpusTrainClassifierVerb
{
    /// <summary>A classifier of good text.</summary>
    public static Command Quality(CliEnvironment environment) => Create(
        environment, "train-quality", "quality", "Learn from labelled text which text is good.",
        ("--good", "Good text."), ("--bad", "Bad text."));

    /// <summary>A classifier of harmful text, or of any other kind that is to be dropped.</summary>
    public static Command Toxicity(CliEnvironment environment) => Create(
        environment, "train-toxicity", "toxicity", "Learn from labelled text which text is harmful.",
        ("--toxic", "Harmful text."), ("--clean", "Other text."));

    private static Command Create(
        CliEnvironment environment, string verb, string label, string description, (string Name, string Description) positive, (string Name, string Description) negative)
    {
        var defaults = new TextClassifierTrainerOptions();
        Option<string> of = Path(positive), other = Path(negative);
        var file = new Option<string>("--out") { Description = "The file to write.", HelpName = "FILE", Required = true };
        var heldOut = new Option<double>("--held-out") { Description = "Share of the documents to measure on, 0 to 0.9.", HelpName = "X", DefaultValueFactory = _ => defaults.HeldOut };
        var passes = new Option<int>("--passes") { Description = "Passes over the documents, 1 to 1,000.", HelpName = "N", DefaultValueFactory = _ => defaults.Passes };
        var bits = new Option<int>("--bits") { Description = "Binary logarithm of the number of weights, 10 to 24.", HelpName = "N", DefaultValueFactory = _ => defaults.Bits };
        var seed = new Option<ulong>("--seed") { Description = "Decides the order of the documents.", HelpName = "N", DefaultValueFactory = _ => defaults.Seed };
        var json = Options.Json();
        var command = new Command(verb, description) { of, other, file, heldOut, passes, bits, seed, json };
        command.SetAction(parsed =>
        {
            var path = System.IO.Path.GetFullPath(parsed.GetRequiredValue(file));
            if (Directory.Exists(path))
                throw new UserErrorException($"--out {path} is a folder.", "Give the path of a file, such as quality.bin.");
            var options = defaults with
            {
                HeldOut = parsed.GetValue(heldOut),
                Passes = parsed.GetValue(passes),
                Bits = parsed.GetValue(bits),
                Seed = parsed.GetValue(seed),
            };
            var result = ClassifierTraining.Train(label, parsed.GetRequiredValue(of), parsed.GetRequiredValue(other), path, options, environment.Interrupts.Listen());
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(result));
            else
                Render(result, environment);
        });
        return command;
    }

    /// <summary>Where labelled text is.</summary>
    internal static Option<string> Path((string Name, string Description) kind) => new(kind.Name)
    {
        Description = $"{kind.Description} A folder or file (.txt, .md, .jsonl, .xml).",
        HelpName = "PATH",
        Required = true,
    };

    private static void Render(ClassifierTrainResult result, CliEnvironment environment) => Tables.Pairs(environment.Console(),
    [
        ("label", result.Label),
        ("learnt from", $"{Figures.Whole(result.Positive)} of the kind, {Figures.Whole(result.Negative)} others"),
        .. result.HeldOut is { } measures ? Rows(measures) : [("held out", "none")],
        ("version", result.Version),
        ("file", result.File),
    ]);

    internal static (string, string)[] Rows(ClassifierMeasures measures) =>
    [
        ("measured on", $"{Figures.Whole(measures.Positive)} of the kind, {Figures.Whole(measures.Negative)} others"),
        ("precision", $"{Figures.Number(measures.Precision, 4)} at a score of {Figures.Number(measures.Threshold, 2)}"),
        ("recall", Figures.Number(measures.Recall, 4)),
        ("AUC", Figures.Number(measures.Auc, 4)),
    ];
}
