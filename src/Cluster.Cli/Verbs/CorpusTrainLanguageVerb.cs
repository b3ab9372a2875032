using System.CommandLine;
using Cluster.Cli.Corpus;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Language;
using Spectre.Console;

namespace Cluster.Cli.Verbs;

/// <summary><c>corpus train-language</c>: the model by which the language stage tells languages apart.</summary>
public static class CorpusTrainLanguageVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var defaults = new LanguageTrainerOptions();
        var texts = new Option<string>("--texts") { Description = "A folder of CODE.txt (de.txt, fr.txt…), one paragraph a line.", HelpName = "DIR", Required = true };
        var file = new Option<string>("--out") { Description = "The file to write.", HelpName = "FILE", Required = true };
        var bits = new Option<int>("--bits") { Description = "Binary logarithm of the number of buckets, 10 to 18.", HelpName = "N", DefaultValueFactory = _ => defaults.Bits };
        var samples = new Option<int>("--samples") { Description = "Samples of each language per pass.", HelpName = "N", DefaultValueFactory = _ => defaults.SamplesPerPass };
        var passes = new Option<int>("--passes") { Description = "Passes.", HelpName = "N", DefaultValueFactory = _ => defaults.Passes };
        var json = Options.Json();
        var command = new Command("train-language", "Learn to tell languages apart.") { texts, file, bits, samples, passes, json };
        command.SetAction(parsed =>
        {
            Options.Check("--bits", parsed.GetValue(bits), 10, 18);
            Options.Check("--samples", parsed.GetValue(samples), 1, 10_000_000);
            Options.Check("--passes", parsed.GetValue(passes), 1, 1000);
            var path = Path.GetFullPath(parsed.GetRequiredValue(file));
            if (Directory.Exists(path))
                throw new UserErrorException($"--out {path} is a folder.", "Give the path of a file, such as languages.bin.");
            var options = defaults with { Bits = parsed.GetValue(bits), SamplesPerPass = parsed.GetValue(samples), Passes = parsed.GetValue(passes) };
            var result = LanguageTraining.Train(Path.GetFullPath(parsed.GetRequiredValue(texts)), path, options, environment.Interrupts.Listen());
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(RunJson.Document(result));
                return;
            }

            var console = environment.Console();
            Tables.Pairs(console, [("file", result.File), ("size", Figures.Bytes(result.Bytes)), ("held-out accuracy", Figures.Number(result.HeldOutAccuracy, 4))]);
            console.WriteLine();
            Tables.Columns(console, ["language", ">held out", ">right"], result.Languages.Select(row => (string[])[row.Language, Figures.Whole(row.Samples), Figures.Whole(row.Right)]));
        });
        return command;
    }
}
