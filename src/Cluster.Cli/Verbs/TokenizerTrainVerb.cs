using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Cli.Runs;
using Cluster.Cli.Tokens;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using Cluster.Data.Tokens;
using Spectre.Console;

namespace Cluster.Cli.Verbs;

/// <summary><c>tokenizer train</c>.</summary>
public static class TokenizerTrainVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var corpus = Options.Corpus("; the SDK's reference documentation if not given");
        var vocabulary = new Option<int>("--vocab") { Description = "Ids of the vocabulary, 272 to 1,000,000.", HelpName = "N", Required = true };
        var file = new Option<string>("--out") { Description = "The tokenizer.json to write.", HelpName = "FILE", Required = true };
        var table = new Option<bool>("--table") { Description = "Measure smaller vocabularies too, to choose one." };
        var json = Options.Json();
        var command = new Command("train", "Learn a byte-pair vocabulary from text.") { corpus, vocabulary, file, table, json };
        command.SetAction(parsed =>
        {
            var cancellation = environment.Interrupts.Listen();
            var size = parsed.GetValue(vocabulary);
            var path = Path.GetFullPath(parsed.GetRequiredValue(file));
            Options.Check("--vocab", size, BytePairTrainer.SmallestVocabulary, BytePairTrainer.LargestVocabulary);
            if (Directory.Exists(path))
                throw new UserErrorException($"--out {path} is a folder.", "Give the path of a file, such as tokenizer.json.");
            RunSetup.CheckCorpus(parsed.GetValue(corpus));
            var (tokenizer, result) = TokenizerTraining.Train(CorpusBuilder.Source(parsed.GetValue(corpus)), size, parsed.GetValue(table),
                message => { if (environment.ErrorIsTerminal) environment.Error.WriteLine(message); }, cancellation);
            TokenizerFile.Save(tokenizer, path);
            result = result with { File = path };
            foreach (var warning in result.Warnings)
                environment.Error.WriteLine($"note: {PlainText.OneLine(warning)}");
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(result));
            else
                Render(result, environment);
        });
        return command;
    }

    private static void Render(TokenizerTrainResult result, CliEnvironment environment)
    {
        var console = environment.Console();
        Tables.Pairs(console,
        [
            ("vocabulary", Figures.Whole(result.Vocabulary)),
            ("documents", Figures.Whole(result.Documents)),
            ("bytes", Figures.Whole(result.Bytes)),
            ("tokens per byte", $"{Figures.Number(result.TokensPerByte, 4)} on {Figures.Bytes(result.MeasuredBytes)} of {(result.MeasuredOn == "held_out" ? "held-out" : "the training")} text"),
            ("bytes per token", Figures.Number(result.BytesPerToken, 3)),
            ("seconds", $"{Figures.Number(result.Seconds, 1)} (and {Figures.Number(result.CorpusSeconds, 1)} for the corpus)"),
            ("invalid UTF-8", Figures.Whole(result.InvalidUtf8Sequences)),
            ("file", result.File),
        ]);
        if (result.Table is not { } table)
            return;
        console.WriteLine();
        Tables.Columns(console, [">vocabulary", ">tokens per byte", ">bytes per token"],
            table.Select(row => (string[])[Figures.Whole(row.Vocabulary), Figures.Number(row.TokensPerByte, 4), Figures.Number(row.BytesPerToken, 3)]));
    }
}
