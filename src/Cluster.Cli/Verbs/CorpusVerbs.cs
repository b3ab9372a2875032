using System.CommandLine;
using System.Globalization;
using Cluster.Cli.Hosting;

namespace Cluster.Cli.Verbs;

/// <summary><c>corpus</c>: make a corpus by a recipe, and ask what became of its documents.</summary>
public static class CorpusVerbs
{
    /// <summary>The command with its kinds.</summary>
    public static Command Create(CliEnvironment environment) => new("corpus", "Make a corpus by a recipe, ask what became of its documents, learn to judge text.")
    {
        CorpusBuildVerb.Create(environment),
        CorpusCancelVerb.Create(environment),
        CorpusWhyVerb.Create(environment),
        CorpusSampleVerb.Create(environment),
        CorpusReportVerb.Create(environment),
        CorpusTokenizerVerb.Create(environment),
        CorpusProxyVerb.Create(environment),
        CorpusTrainClassifierVerb.Quality(environment),
        CorpusTrainClassifierVerb.Toxicity(environment),
        CorpusEvaluateQualityVerb.Create(environment),
        CorpusTrainLanguageVerb.Create(environment),
        CorpusBuildVerb.CreateWorker(environment),
    };

    /// <summary>A figure of a stage: counts whole, shares with what they need.</summary>
    internal static string Score(double value) => value.ToString("0.####", CultureInfo.InvariantCulture);

    /// <summary>A corpus that was built.</summary>
    internal static Option<string> Folder() => new("--corpus") { Description = "The corpus' folder, --out of corpus build.", HelpName = "DIR", Required = true };
}
