using System.CommandLine;
using Cluster.Cli.Corpus;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;
using Cluster.Silo.Corpus;
using Spectre.Console;

namespace Cluster.Cli.Verbs;

/// <summary><c>corpus build</c>: sources to shards by a recipe; the same command goes on where it was stopped.</summary>
public static class CorpusBuildVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var recipe = new Option<string>("--recipe") { Description = $"A file of JSON, or the name {CurationPresets.ReferenceCorpus.Name}.", HelpName = "NAME|FILE", Required = true };
        var mix = new Option<string?>("--mix") { Description = "A mix in place of the recipe's own: a file such as corpus proxy writes.", HelpName = "FILE" };
        var embeddings = new Option<string?>("--embeddings")
        {
            Description = "A run whose model embeds the texts: of those that are nearly equal by duplicates.embeddings, all but one go. "
                + "In place of the recipe's own.",
            HelpName = "DIR",
        };
        var folder = Folder();
        var (workers, processes) = (Workers(), Processes());
        var memory = Memory();
        var cluster = new Option<bool>("--cluster")
        {
            Description = "Build on the cluster that the environment names, else on the one that `up` started; --workers are then those of every silo.",
        };
        var runs = Options.Runs();
        var json = Options.Json();
        var command = new Command("build", "Make a corpus by a recipe; the same command goes on where it was stopped.")
        {
            recipe, mix, embeddings, folder, workers, processes, memory, cluster, runs, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Check(parsed, workers, processes, memory);
            var result = await CorpusBuild.RunAsync(
                parsed.GetRequiredValue(folder), Read(parsed.GetRequiredValue(recipe), parsed.GetValue(mix), parsed.GetValue(embeddings)),
                parsed.GetValue(workers), parsed.GetValue(processes), (long)parsed.GetValue(memory) << 20,
                message => { if (environment.ErrorIsTerminal) environment.Error.WriteLine(message); }, environment.Interrupts.Listen(),
                cluster: parsed.GetValue(cluster) ? ClusterAddress.Find(parsed.GetRequiredValue(runs), environment) : null);
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(result));
            else
                Render(result, environment);
        });
        return command;
    }

    /// <summary>The hidden verb of a worker process.</summary>
    internal static Command CreateWorker(CliEnvironment environment)
    {
        var (folder, memory) = (Folder(), Memory());
        var command = new Command(CorpusWorker.Verb, "Builds parts of a corpus, told which on its input.") { folder, memory };
        command.Hidden = true;
        command.SetAction((parsed, cancellation) => CorpusWorker.RunAsync(
            parsed.GetRequiredValue(folder),
            new CorpusResources { MemoryBytes = (long)parsed.GetValue(memory) << 20, Embeddings = new RunEmbeddings() },
            environment.InputLines, environment.Output, cancellation));
        return command;
    }

    private static Option<string> Folder() => new("--out") { Description = "Where the corpus goes.", HelpName = "DIR", Required = true };

    internal static Option<int> Workers() => new("--workers")
    {
        Description = "Partitions at a time; the result is the same for any number.",
        HelpName = "N",
        DefaultValueFactory = _ => Environment.ProcessorCount,
    };

    internal static Option<int?> Processes() => new("--processes") { Description = "Worker processes, each with one partition at a time, instead of --workers.", HelpName = "N" };

    internal static Option<int> Memory() => new("--memory")
    {
        Description = "Megabytes for buffers of sorting and tables of pieces; what does not fit goes to disk.",
        HelpName = "MB",
        DefaultValueFactory = _ => 256,
    };

    /// <summary>Refuses numbers out of range.</summary>
    internal static void Check(ParseResult parsed, Option<int> workers, Option<int?> processes, Option<int> memory)
    {
        Options.Check("--workers", parsed.GetValue(workers), 1, 1_024);
        Options.Check("--processes", parsed.GetValue(processes), 1, 256);
        Options.Check("--memory", parsed.GetValue(memory), 1, 1 << 20);
    }

    private static CurationRecipe Read(string recipe, string? mix, string? model)
    {
        var read = !recipe.EndsWith(".json", StringComparison.OrdinalIgnoreCase) && !File.Exists(recipe)
            ? CurationPresets.Get(recipe) : CurationRecipeJson.Parse(Text(recipe, "recipe"), recipe);
        if (mix is not null)
            read = read with { Mix = CurationRecipeJson.ParseMix(Text(mix, "mix"), mix) };
        return model is null ? read : read with { Duplicates = read.Duplicates.WithModel(model) };
    }

    private static string Text(string path, string what) => File.Exists(path)
        ? File.ReadAllText(path) : throw new UserErrorException($"The {what} {path} does not exist.", "Give the path of a file of JSON.");

    private static void Render(CorpusBuildResult result, CliEnvironment environment)
    {
        var console = environment.Console();
        Tables.Columns(console, ["stage", ">in", ">kept", ">bytes kept", "dropped"], result.Stages.Select(stage => (string[])
        [
            stage.Name, Figures.Whole(stage.In), Figures.Whole(stage.Out), Figures.Bytes(stage.BytesOut),
            string.Join(", ", stage.Dropped.OrderByDescending(drop => drop.Value).Take(4).Select(drop => $"{drop.Key} {Figures.Whole(drop.Value)}")),
        ]));
        console.WriteLine();
        Tables.Pairs(console,
        [
            ("documents", $"{Figures.Whole(result.Documents)} of {Figures.Whole(result.DocumentsIn)}"),
            ("bytes", $"{Figures.Bytes(result.Bytes)} of {Figures.Bytes(result.BytesIn)}"),
            ("partitions", Figures.Whole(result.Partitions)),
            ("could not be read", $"{Figures.Number(100 * result.FailedShare, 2)} %"),
            ("seconds", Figures.Number(result.Seconds, 1)),
            ("SHA-256", result.CorpusSha256),
            ("corpus", result.Folder),
        ]);
    }
}
