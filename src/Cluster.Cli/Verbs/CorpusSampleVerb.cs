using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Pipeline;

namespace Cluster.Cli.Verbs;

/// <summary><c>corpus sample</c>: some of the documents that a stage dropped, or that were kept.</summary>
public static class CorpusSampleVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var folder = CorpusVerbs.Folder();
        var stage = new Option<string?>("--dropped-by") { Description = "A stage; documents that were kept if not given.", HelpName = "STAGE" };
        var rule = new Option<string?>("--rule") { Description = "One rule of the stage.", HelpName = "RULE" };
        var count = new Option<int>("--count") { Description = "How many, 1 to 10,000.", HelpName = "N", DefaultValueFactory = _ => 10 };
        var json = Options.Json();
        var command = new Command("sample", "Show some documents that a stage dropped; the choice is always the same.") { folder, stage, rule, count, json };
        command.SetAction(parsed =>
        {
            Options.Check("--count", parsed.GetValue(count), 1, 10_000);
            var rows = CorpusQuery.Sample(new CorpusFolder(parsed.GetRequiredValue(folder)), parsed.GetValue(stage), parsed.GetValue(rule), parsed.GetValue(count));
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(RunJson.Document(rows));
                return;
            }

            foreach (var row in rows)
            {
                environment.Output.WriteLine(PlainText.OneLine(row.Id));
                if (row.Rule is { } broken)
                    environment.Output.WriteLine($"  {broken}{(row.Value is { } value ? $" {CorpusVerbs.Score(value)}" : "")}{(row.CopyOf is { } other ? $", copy of {other}" : "")}");
                if ((row.Beginning ?? row.Detail) is { } text)
                    environment.Output.WriteLine("  " + PlainText.OneLine(text));
            }
        });
        return command;
    }
}
