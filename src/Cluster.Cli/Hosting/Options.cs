using System.CommandLine;
using System.Globalization;
using Cluster.Cli.Verbs;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Inference.Graph.Passes;

namespace Cluster.Cli.Hosting;

/// <summary>Options that several verbs share, and checks of their values.</summary>
public static class Options
{
    /// <summary>The result record as JSON instead of a table.</summary>
    public static Option<bool> Json() => new("--json") { Description = "Print the result as JSON." };

    /// <summary>The tokenizer to use.</summary>
    public static Option<string> Tokenizer() => new("--tokenizer") { Description = "A tokenizer.json.", HelpName = "FILE", Required = true };

    /// <summary>The text to learn from.</summary>
    public static Option<string?> Corpus(string otherwise) => new("--corpus")
    {
        Description = $"A folder or file of text (.txt, .md, .html, .xml, .jsonl, .parquet; also .gz, .zst){otherwise}.",
        HelpName = "PATH",
    };

    /// <summary>Fields of the recipe to replace.</summary>
    public static Option<string[]> Set() => new("--set")
    {
        Description = "Replace a field of the recipe, such as training.learning_rate=3e-4; may be given again.",
        HelpName = "FIELD=VALUE",
        DefaultValueFactory = _ => [],
    };

    /// <summary>Passes over the model's graph to leave out.</summary>
    public static Option<string[]> Without() => new("--without")
    {
        Description = $"Passes over the model's graph to leave out: {string.Join(", ", GraphPasses.All.Select(pass => pass.Name))}.",
        HelpName = "PASS",
        AllowMultipleArgumentsPerToken = true,
        DefaultValueFactory = _ => [],
    };

    /// <summary>Replicas to train with.</summary>
    public static Option<int?> Replicas() => new("--replicas")
    {
        Description = "Replicas that share the work, 1 to 256; the result is the same for any number. As many as there are cores and lanes if not given.",
        HelpName = "N",
    };

    /// <summary>Where the cluster of this machine keeps its runs, and by which it is found.</summary>
    public static Option<string> Runs() => new("--runs")
    {
        Description = "The folder of runs that the cluster belongs to.",
        HelpName = "DIR",
        DefaultValueFactory = _ => RunsVerb.DefaultRoot,
    };

    /// <summary>The run that an argument means: a folder, or else a name below the folder of runs.</summary>
    /// <exception cref="UserErrorException">There is no such run.</exception>
    public static RunFolder Run(string named, string runs)
    {
        var folder = new RunFolder(named);
        return folder.Exists ? folder : RunFolder.Find(Path.GetFullPath(runs), named)
            ?? throw new UserErrorException($"There is no run \"{named}\", neither there nor in {Path.GetFullPath(runs)}.", "Give a run's folder, or a name that `runs` lists.");
    }

    /// <summary>Port of the page.</summary>
    public static Option<int?> WebPort() => new("--web-port")
    {
        Description = "Port of the page where the run can be watched, 1 to 65535; 8080 or another free one if not given.",
        HelpName = "N",
    };

    /// <summary>The quantised model below a run to use.</summary>
    public static Option<string?> Quantized() => new("--quantized")
    {
        Description = "A quantised model of the run that `model quantize` published; its newest checkpoint if not given.",
        HelpName = "NAME",
    };

    /// <summary>Threads that compute with a model.</summary>
    public static Option<int> Threads() => new("--threads")
    {
        Description = "Threads that compute, 1 to 256; the result is the same for any number.",
        HelpName = "N",
        DefaultValueFactory = _ => 1,
    };

    /// <summary>A number that may end with a per cent sign.</summary>
    /// <exception cref="UserErrorException">It is none.</exception>
    public static double Percent(string option, string text) =>
        double.TryParse(text.TrimEnd().TrimEnd('%'), NumberStyles.AllowDecimalPoint, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new UserErrorException($"{option} is \"{text}\".", "Give a number of per cent, such as 1%.");

    /// <summary>Refuses a whole number out of its range.</summary>
    /// <exception cref="UserErrorException">It names option, value and range.</exception>
    public static void Check(string option, long? value, long low, long high)
    {
        if (value < low || value > high)
            throw new UserErrorException($"{option} is {value}.", FormattableString.Invariant($"Give a whole number from {low:#,0} to {high:#,0}."));
    }
}
