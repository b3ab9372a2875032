using System.CommandLine;
using Cluster.Cli.Corpus;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Mixing;
using Spectre.Console;

namespace Cluster.Cli.Verbs;

/// <summary><c>corpus proxy</c>: a small run on a corpus, by which its mix is weighed anew.</summary>
public static class CorpusProxyVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var folder = CorpusVerbs.Folder();
        var steps = new Option<int>("--steps") { Description = "Steps of the proxy.", HelpName = "N", DefaultValueFactory = _ => 300 };
        var reference = new Option<int?>("--reference-steps") { Description = "Steps of the reference, the same model trained for longer; four times the proxy's if not given.", HelpName = "N" };
        var stepSize = new Option<double>("--step-size") { Description = "How far the proposal goes, above 0: a weight is multiplied by e^(step size × bits left to learn).", HelpName = "X", DefaultValueFactory = _ => 1 };
        var seed = new Option<ulong?>("--seed") { Description = "Keys every random number of the run, and which documents it holds out.", HelpName = "N" };
        var set = Options.Set();
        var replicas = Options.Replicas();
        var output = new Option<string?>("--out") { Description = "Folder of the run, of proxy.json and of mix.json; proxy in the corpus' folder if not given.", HelpName = "DIR" };
        var json = Options.Json();
        var command = new Command("proxy", "Train a small model on a corpus, print what it loses on each domain, propose a mix.") { folder, steps, reference, stepSize, seed, set, replicas, output, json };
        command.SetAction(async (parsed, _) =>
        {
            var longer = parsed.GetValue(reference) ?? 4 * (long)parsed.GetValue(steps);
            Options.Check("--steps", parsed.GetValue(steps), 1, 10_000_000);
            Options.Check("--reference-steps", longer, parsed.GetValue(steps) + 1L, 100_000_000);
            Options.Check("--replicas", parsed.GetValue(replicas), 1, 256);
            var path = parsed.GetRequiredValue(folder);
            var corpus = BuiltCorpusSource.Find(path)
                ?? throw new UserErrorException($"{path} holds no finished corpus.", "Finish it: corpus build with the same recipe and --out.");
            var recipe = CorpusProxy.RecipeOf(corpus, (int)longer);
            if (parsed.GetValue(set) is { Length: > 0 } assignments)
                recipe = RecipeJson.With(recipe, assignments);
            if (parsed.GetValue(seed) is { } given)
                recipe = recipe with { Seed = given };
            recipe.Validate();
            if (recipe.Training.Steps != longer)
                throw new UserErrorException($"--set training.steps={recipe.Training.Steps} is not what --reference-steps says ({longer}).", "Leave it out, and give --reference-steps.");
            var result = await CorpusProxy.RunAsync(new ProxyRequest
            {
                Corpus = corpus,
                Recipe = recipe,
                Steps = parsed.GetValue(steps),
                Reweighting = new ReweightingOptions { StepSize = parsed.GetValue(stepSize) },
                Folder = Path.GetFullPath(parsed.GetValue(output) ?? Path.Combine(corpus.Folder.Root, "proxy")),
                Replicas = parsed.GetValue(replicas),
            }, environment.RunHost(), message => { if (environment.ErrorIsTerminal) environment.Error.WriteLine(message); }, environment.Interrupts.Listen());
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(result));
            else
                Render(result, parsed.GetValue(output) ?? Path.Combine(corpus.Folder.Root, "proxy"), environment);
        });
        return command;
    }

    private static void Render(ProxyResult result, string folder, CliEnvironment environment)
    {
        var console = environment.Console();
        Tables.Columns(console,
            ["domain", ">bytes", ">held out", ">share", $">bits per byte, step {Figures.Whole(result.ProxySteps)}", $">step {Figures.Whole(result.ReferenceSteps)}", ">left to learn", ">proposed"],
            result.Domains.Select(domain => (string[])
            [
                domain.Domain, Figures.Bytes(domain.Bytes), Figures.Whole(domain.HeldOutDocuments), Figures.Number(domain.Share, 4), Figures.Number(domain.ProxyBitsPerByte, 4),
                Figures.Number(domain.ReferenceBitsPerByte, 4), Figures.Number(domain.Excess, 4), Figures.Number(domain.Proposed, 4),
            ]));
        console.WriteLine();
        Tables.Pairs(console, [("mix", Path.Combine(folder, "mix.json")), ("to take it", "corpus build --mix mix.json with the same recipe and another --out")]);
    }
}
