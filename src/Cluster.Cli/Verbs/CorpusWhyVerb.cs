using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Pipeline;

namespace Cluster.Cli.Verbs;

/// <summary><c>corpus why</c>: what became of a document.</summary>
public static class CorpusWhyVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var id = new Argument<string>("ID") { Description = "A document's id: SOURCE/PATH, or SOURCE/PATH#OFFSET for a record." };
        var folder = CorpusVerbs.Folder();
        var json = Options.Json();
        var command = new Command("why", "Say what became of a document: kept, or dropped by which stage, rule and figure.") { id, folder, json };
        command.SetAction(parsed =>
        {
            var row = CorpusQuery.Why(new CorpusFolder(parsed.GetRequiredValue(folder)), parsed.GetRequiredValue(id));
            if (parsed.GetValue(json))
            {
                environment.Output.WriteLine(RunJson.Document(row));
                return;
            }

            Tables.Pairs(environment.Console(), Pairs(row));
        });
        return command;
    }

    private static IEnumerable<(string Name, string Value)> Pairs(ProvenanceRow row)
    {
        yield return ("id", row.Id);
        yield return ("outcome", row.Kept ? row.Copies is { } copies ? $"kept, {copies} times" : "kept" : $"dropped by {row.Stage}");
        if (row.Rule is { } rule)
            yield return ("rule", rule);
        if (row.Value is { } value)
            yield return ("value", CorpusVerbs.Score(value) + (row.Limit is { } limit ? $", the limit is {CorpusVerbs.Score(limit)}" : ""));
        if (row.CopyOf is { } other)
            yield return ("copy of", other);
        if (row.UnitsRemoved is { } units)
            yield return ("repeated parts", Figures.Whole(units));
        if (row.Detail is { } detail)
            yield return ("detail", detail);
        yield return ("bytes", Figures.Whole(row.Bytes));
        foreach (var (name, score) in row.Scores ?? new Dictionary<string, double>())
            yield return (name, CorpusVerbs.Score(score));
        if (row.Beginning is { } beginning)
            yield return ("begins", beginning);
    }
}
