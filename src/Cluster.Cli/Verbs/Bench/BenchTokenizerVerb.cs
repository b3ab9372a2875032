using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench tokenizer</c>.</summary>
internal static class BenchTokenizerVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var corpus = Options.Corpus("; the SDK's reference documentation as it is if not given");
        var vocabulary = new Option<int[]>("--vocab")
        {
            Description = "Ids to learn; may be given several times.",
            HelpName = "N",
            DefaultValueFactory = _ => [8_192, 32_768],
        };
        var threads = new Option<int[]>("--threads")
        {
            Description = "Threads; may be given several times.",
            HelpName = "T",
            DefaultValueFactory = _ => [.. new[] { 1, 2, Environment.ProcessorCount }.Distinct()],
        };
        var json = Options.Json();
        var command = new Command("tokenizer", "Training and encoding.") { corpus, vocabulary, threads, json };
        command.SetAction(parsed =>
        {
            foreach (var count in parsed.GetRequiredValue(threads))
                Options.Check("--threads", count, 1, 256);
            var result = TokenizerBenchmark.Run(
                parsed.GetValue(corpus), parsed.GetRequiredValue(vocabulary), parsed.GetRequiredValue(threads),
                environment.Interrupts.Listen());
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(RunJson.Document(result));
                return;
            }

            var console = environment.Console();
            Tables.Pairs(console, [("text", result.Source), ("bytes", Figures.Whole(result.Bytes))]);
            Tables.Columns(
                console,
                [
                    ">vocabulary", ">threads", ">training, s", ">of processor", ">counting, s", ">of processor", ">learning, s",
                    ">of processor",
                    ">counting, times", ">learning, times", ">training, times", ">attainable", ">encoding, MB/s", ">per processor s",
                    ">tokens per byte",
                ],
                result.Rows.Select(row => (string[])
                [
                    Figures.Whole(row.Vocabulary), Figures.Whole(row.Threads), Figures.Number(row.TrainSeconds, 2),
                    Figures.Number(row.TrainProcessorSeconds, 2),
                    Figures.Number(row.CountSeconds, 2), Figures.Number(row.CountProcessorSeconds, 2), Figures.Number(row.LearnSeconds, 2),
                    Figures.Number(row.LearnProcessorSeconds, 2),
                    Figures.Number(row.CountSpeedup, 2), Figures.Number(row.LearnSpeedup, 2), Figures.Number(row.TrainSpeedup, 2),
                    Figures.Number(row.AttainableSpeedup, 2),
                    Figures.Number(row.EncodeMegabytesPerSecond, 1), Figures.Number(row.EncodeMegabytesPerProcessorSecond, 1),
                    Figures.Number(row.TokensPerByte, 4),
                ]));
        });
        return command;
    }
}
