using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench corpus</c>.</summary>
internal static class BenchCorpusVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var workers = new Option<int>("--workers")
        {
            Description = "Partitions at a time.",
            HelpName = "N",
            DefaultValueFactory = _ => Environment.ProcessorCount,
        };
        var whole = new Option<bool>("--whole-only") { Description = "Time the whole build only, not each stage alone." };
        var embeddings = new Option<string?>("--embeddings")
        {
            Description = "Also look for duplicates by embeddings of this run's model.",
            HelpName = "DIR",
        };
        var json = Options.Json();
        var command = new Command(
            "corpus", "Curation of the SDK's reference documentation: the whole, and each stage on one core.")
        {
            workers, whole, embeddings, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--workers", parsed.GetValue(workers), 1, 1_024);
            var result = await CorpusBenchmark.RunAsync(
                parsed.GetValue(workers), !parsed.GetValue(whole), parsed.GetValue(embeddings),
                message => { if (environment.ErrorIsTerminal) environment.Error.WriteLine(message); }, environment.Interrupts.Listen());
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(RunJson.Document(result));
                return;
            }

            var console = environment.Console();
            Tables.Pairs(console,
            [
                ("recipe", result.Recipe), ("documents", result.Documents), ("megabytes", Figures.Number(result.Megabytes, 1)),
                ("workers", Figures.Whole(result.Workers)),
                ("seconds", $"{Figures.Number(result.Seconds, 1)}, of which {Figures.Number(result.SourceSeconds, 1)} for the source"),
                ("processor seconds", Figures.Number(result.ProcessorSeconds, 1)),
                ("peak memory", $"{Figures.Number(result.PeakMegabytes, 0)} MB"), ("SHA-256", result.CorpusSha256),
            ]);
            environment.Output.WriteLine();
            Tables.Columns(console, ["part of the build, a thread", ">MB/s", ">documents/s"], result.Phases.Select(part => (string[])
                [part.Part, Figures.Number(part.MegabytesPerSecond, 2), Figures.Whole((long)part.DocumentsPerSecond)]));
            if (result.Stages.Count == 0)
                return;
            environment.Output.WriteLine();
            Tables.Columns(console, ["stage alone, a core", ">MB/s", ">documents/s", ">in", ">dropped"],
                result.Stages.Select(stage => (string[])
                [stage.Stage, Figures.Number(stage.MegabytesPerSecond, 1), Figures.Whole((long)stage.DocumentsPerSecond),
                    Figures.Whole(stage.In), Figures.Whole(stage.Dropped)]));
        });
        return command;
    }
}
