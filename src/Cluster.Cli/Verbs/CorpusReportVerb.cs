using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Silo.Reports;

namespace Cluster.Cli.Verbs;

/// <summary><c>corpus report</c>: the page of a corpus, drawn anew.</summary>
public static class CorpusReportVerb
{
    private sealed record Result(string Report, string CorpusSha256);

    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var folder = CorpusVerbs.Folder();
        var json = Options.Json();
        var command = new Command("report", "Write the corpus' page: funnel, lengths, sources, languages, quality, duplicates.") { folder, json };
        command.SetAction(parsed =>
        {
            var corpus = new CorpusFolder(parsed.GetRequiredValue(folder));
            var summary = CorpusSummary.Load(corpus)
                ?? throw new UserErrorException($"{corpus.Root} holds no finished corpus.", "Finish it: corpus build with the same recipe and --out.");
            CorpusPage.Write(corpus, summary);
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(new Result(corpus.Report, summary.CorpusSha256)));
            else
                Tables.Pairs(environment.Console(), [("report", corpus.Report), ("SHA-256", summary.CorpusSha256)]);
        });
        return command;
    }
}
