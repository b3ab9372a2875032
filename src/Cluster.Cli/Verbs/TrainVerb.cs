using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Cli.Rendering;
using Cluster.Cli.Runs;
using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Stages;

namespace Cluster.Cli.Verbs;

/// <summary><c>train</c>: a recipe into a run folder.</summary>
public static class TrainVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var recipe = RecipeChoice.Recipe();
        var corpus = Options.Corpus("; the SDK's reference documentation if not given");
        var set = Options.Set();
        var depth = RecipeChoice.Depth();
        var replicas = Options.Replicas();
        var steps = new Option<long?>("--steps") { Description = "Stop pre-training after so many steps; the schedule stays the recipe's.", HelpName = "N" };
        var seed = new Option<ulong?>("--seed") { Description = "Keys every random number; the recipe's if not given.", HelpName = "N" };
        var folder = new Option<string>("--out") { Description = "The folder of the run.", HelpName = "DIR", Required = true };
        var resume = new Option<bool>("--resume") { Description = "Go on with the run in --out, by its own recipe." };
        var webPort = Options.WebPort();
        var cluster = new Option<bool>("--cluster") { Description = "Train on the cluster that the environment names (in a container of one), else on the one that `up` started; --replicas are then those of every silo, 1 if not given." };
        var runs = Options.Runs();
        var json = Options.Json();
        var command = new Command("train", "Train a model by a recipe.") { recipe, corpus, set, depth, replicas, steps, seed, folder, resume, webPort, cluster, runs, json };
        command.SetAction(async (parsed, _) =>
        {
            var run = new RunFolder(parsed.GetRequiredValue(folder));
            RunSetup.CheckCommon(parsed.GetValue(replicas), parsed.GetValue(webPort));
            Options.Check("--steps", parsed.GetValue(steps), 1, 100_000_000);
            RunSetup.CheckFolder(run);
            var onCluster = parsed.GetValue(cluster);
            var host = onCluster ? new ClusterRunHost(ClusterAddress.Find(parsed.GetRequiredValue(runs), environment), environment.Command) : environment.RunHost();
            var wanted = new Wanted(parsed.GetValue(recipe), parsed.GetValue(depth), parsed.GetValue(set)!, parsed.GetValue(seed));
            var resolved = run.Exists
                ? parsed.GetValue(resume) ? wanted.CheckAgainst(RunList.Recipe(run), run) : throw new UserErrorException(
                    $"There is a run in --out {run.Path} already.", "Go on with it by adding --resume, or give another folder.")
                : wanted.Resolve(run);
            if (parsed.GetValue(corpus) is { } path || !run.Exists)
                RunSetup.CheckCorpus(parsed.GetValue(corpus));
            var summary = await RunVerbs.RunAsync(environment, host, new RunRequest
            {
                Folder = run,
                Recipe = resolved,
                CorpusPath = parsed.GetValue(corpus),
                Replicas = onCluster ? parsed.GetValue(replicas) ?? 1 : RunSetup.Replicas(parsed.GetValue(replicas), resolved),
                Silos = RunSetup.EmbeddedSilo,
                StopAfter = parsed.GetValue(steps),
            }, parsed.GetValue(webPort), [.. Arguments(parsed), .. parsed.GetValue(resume) ? (string[])[] : ["--resume"]], onError: parsed.GetValue(json));
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(summary));
        });
        return command;
    }

    internal static IEnumerable<string> Arguments(ParseResult parsed) => parsed.Tokens.Select(token => token.Value);

    /// <summary>The recipe that the command line asks for.</summary>
    private sealed record Wanted(string? Recipe, int? Depth, string[] Set, ulong? Seed)
    {
        public Recipe Resolve(RunFolder run)
        {
            if (Recipe is null)
            {
                throw new UserErrorException($"--recipe is missing, and {run.Path} holds no run to resume.",
                    $"Give --recipe with one of {string.Join(", ", NamedRecipes.Names)}, or a file.");
            }

            var recipe = RecipeChoice.Resolve(Recipe, Depth, Set);
            return Seed is { } seed ? recipe with { Seed = seed } : recipe;
        }

        /// <summary>A run keeps the recipe that it began with; one that asks for another has to be told.</summary>
        public Recipe CheckAgainst(Recipe own, RunFolder run)
        {
            var asked = RecipeJson.With(own, Set);
            if (Seed is { } seed)
                asked = asked with { Seed = seed };
            if (RecipeJson.Hash(asked) != RecipeJson.Hash(own) || (Depth is { } depth && depth != own.Model.Layers) ||
                (Recipe is not null && RecipeChoice.Resolve(Recipe, Depth, []).Name != own.Name))
            {
                throw new UserErrorException($"The run in {run.Path} was begun with another recipe (\"{own.Name}\", seed {own.Seed}), and a run keeps its own.",
                    "Resume it without --recipe, --set, --depth and --seed, or start a new one in another folder.");
            }

            return own;
        }
    }
}
