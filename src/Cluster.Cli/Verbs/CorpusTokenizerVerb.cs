using System.CommandLine;
using Cluster.Cli.Corpus;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Tokens;

namespace Cluster.Cli.Verbs;

/// <summary><c>corpus tokenizer</c>: a vocabulary from a corpus that was built, its pieces counted by partition.</summary>
public static class CorpusTokenizerVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var folder = CorpusVerbs.Folder();
        var vocabulary = new Option<int>("--vocab") { Description = "Ids of the vocabulary, 272 to 1,000,000.", HelpName = "N", Required = true };
        var file = new Option<string?>("--out") { Description = "The tokenizer.json to write; the corpus' own if not given, which `train --corpus DIR` then uses.", HelpName = "FILE" };
        var (workers, processes, memory) = (CorpusBuildVerb.Workers(), CorpusBuildVerb.Processes(), CorpusBuildVerb.Memory());
        var json = Options.Json();
        var command = new Command("tokenizer", "Learn a byte-pair vocabulary from a corpus; the same command goes on where it was stopped.")
        {
            folder, vocabulary, file, workers, processes, memory, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--vocab", parsed.GetValue(vocabulary), BytePairTrainer.SmallestVocabulary, BytePairTrainer.LargestVocabulary);
            CorpusBuildVerb.Check(parsed, workers, processes, memory);
            var path = parsed.GetValue(file) is { } given ? Path.GetFullPath(given) : null;
            if (Directory.Exists(path))
                throw new UserErrorException($"--out {path} is a folder.", "Give the path of a file, such as tokenizer.json.");
            var corpus = new CorpusFolder(parsed.GetRequiredValue(folder));
            var made = await CorpusTokenizer.TrainAsync(
                corpus, parsed.GetValue(vocabulary), path, parsed.GetValue(workers), parsed.GetValue(processes), (long)parsed.GetValue(memory) << 20,
                message => { if (environment.ErrorIsTerminal) environment.Error.WriteLine(message); }, environment.Interrupts.Listen());
            if (made.Vocabulary < parsed.GetValue(vocabulary))
                environment.Error.WriteLine($"note: the text has pairs that repeat for a vocabulary of {Figures.Whole(made.Vocabulary)} only");
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(made));
            else
                Tables.Pairs(environment.Console(), [("vocabulary", Figures.Whole(made.Vocabulary)), ("SHA-256", made.Sha256), ("file", path ?? corpus.Tokenizer)]);
        });
        return command;
    }
}
