using System.CommandLine;
using Cluster.Cli.Corpus;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs;

/// <summary><c>corpus evaluate-quality</c>: a classifier's figures on labelled text that it has not seen.</summary>
public static class CorpusEvaluateQualityVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var model = new Option<string>("--model") { Description = "What train-quality or train-toxicity wrote.", HelpName = "FILE", Required = true };
        var good = CorpusTrainClassifierVerb.Path(("--good", "Text of the kind that should score high."));
        var bad = CorpusTrainClassifierVerb.Path(("--bad", "Other text."));
        var threshold = new Option<double>("--threshold") { Description = "Score from which a document is taken for one of the kind, 0 to 1.", HelpName = "X", DefaultValueFactory = _ => 0.5 };
        var json = Options.Json();
        var command = new Command("evaluate-quality", "Measure a classifier on labelled text.") { model, good, bad, threshold, json };
        command.SetAction(parsed =>
        {
            var limit = parsed.GetValue(threshold);
            if (!(limit is >= 0 and <= 1))
                throw new UserErrorException(FormattableString.Invariant($"--threshold is {limit}."), "Give 0 to 1.");
            var result = ClassifierTraining.Evaluate(
                parsed.GetRequiredValue(model), parsed.GetRequiredValue(good), parsed.GetRequiredValue(bad), limit, environment.Interrupts.Listen());
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(result));
            else
                Tables.Pairs(environment.Console(), [("label", result.Label), ("version", result.Version), .. CorpusTrainClassifierVerb.Rows(result.Measures)]);
        });
        return command;
    }
}
