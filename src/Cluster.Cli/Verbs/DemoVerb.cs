using System.CommandLine;
using Cluster.Cli.Chat;
using Cluster.Cli.Diagnostics;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Cli.Runs;
using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Stages;

namespace Cluster.Cli.Verbs;

/// <summary><c>demo</c>: from the text on this machine to a chat, in one command.</summary>
public static class DemoVerb
{
    // How a description of the reference documentation begins; own text may be anything.
    private const string ReferencePrompt = "Returns a new string in which", OwnTextPrompt = "The";

    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var corpus = Options.Corpus("; the SDK's reference documentation if not given");
        var minutes = new Option<double>("--minutes") { Description = "About how long it is to take, 1 to 1,440.", HelpName = "N", DefaultValueFactory = _ => 8 };
        var noChat = new Option<bool>("--no-chat") { Description = "End with sample exchanges instead of a chat." };
        var folder = new Option<string>("--out") { Description = "The folder of the run.", HelpName = "DIR", DefaultValueFactory = _ => RunsVerb.DefaultRoot + "/demo" };
        var replicas = Options.Replicas();
        var webPort = Options.WebPort();
        var command = new Command("demo", "Curate, train and chat, in minutes.") { corpus, minutes, noChat, folder, replicas, webPort };
        command.SetAction(async (parsed, _) =>
        {
            var time = parsed.GetValue(minutes);
            if (!(time is >= 1 and <= 1_440))
                throw new UserErrorException(FormattableString.Invariant($"--minutes is {time}."), "Give a number from 1 to 1,440.");
            RunSetup.CheckCommon(parsed.GetValue(replicas), parsed.GetValue(webPort));
            var run = new RunFolder(parsed.GetRequiredValue(folder));
            RunSetup.CheckFolder(run);
            if (!IsHealthy(environment, run))
                return CommandLine.UserErrorCode;

            var chats = environment.IsInteractive && !parsed.GetValue(noChat) && environment.OpenChat is not null;
            var choice = Choose(environment, ref run, chats);
            if (choice == Choice.ShowAgain)
            {
                ShowAgain(environment, run, parsed.GetValue(corpus));
            }
            else if (choice == Choice.Run)
            {
                var path = parsed.GetValue(corpus);
                if (path is not null || !run.Exists)
                    RunSetup.CheckCorpus(path);
                var recipe = run.Exists ? RunList.Recipe(run) : NamedRecipes.Get("demo");
                await RunVerbs.RunAsync(environment, environment.RunHost(), new RunRequest
                {
                    Folder = run,
                    Recipe = recipe,
                    CorpusPath = path,
                    Replicas = RunSetup.Replicas(parsed.GetValue(replicas), recipe),
                    Silos = RunSetup.EmbeddedSilo,
                    Minutes = time,
                    SamplePrompt = path is null ? ReferencePrompt : OwnTextPrompt,
                }, parsed.GetValue(webPort), ResumeArguments(parsed, folder, run), onError: false);
            }

            if (!chats)
                return 0;
            environment.Output.WriteLine();
            var model = await environment.OpenChat!(run, environment.Interrupts.Listen());
            return await new ChatConsole(model, environment.InputLines, environment.Output, environment.Interrupts, prompts: true).RunAsync();
        });
        return command;
    }

    private enum Choice
    {
        Run,
        ShowAgain,
        Chat,
    }

    private static bool IsHealthy(CliEnvironment environment, RunFolder run)
    {
        var report = environment.Diagnose(new DoctorOptions(run.Path, []));
        foreach (var failure in report.Failures)
            environment.Error.WriteLine(PlainText.OneLine($"{failure.Name}: {failure.Value}. {failure.Remedy}"));
        return report.Status != CheckStatus.Failure;
    }

    /// <summary>What to do where a run is already; <paramref name="run"/> becomes a new folder if that is chosen.</summary>
    private static Choice Choose(CliEnvironment environment, ref RunFolder run, bool chats)
    {
        if (!run.Exists)
            return Choice.Run;
        var finished = RunList.IsFinished(run);
        if (!environment.IsInteractive)
        {
            environment.Output.WriteLine(finished
                ? $"The run in {Paths.ForPeople(run.Path)} is finished; --out DIR starts another."
                : $"Resuming the run in {Paths.ForPeople(run.Path)}.");
            return finished ? Choice.ShowAgain : Choice.Run;
        }

        var fresh = Unused(run);
        var entry = RunList.Entry(run);
        var state = finished ? "finished" : $"not finished{(entry.Steps is { } steps ? $" (step {Figures.Whole(steps)} of {entry.Stage?.Replace('_', ' ')})" : "")}";
        environment.Output.WriteLine($"The run in {Paths.ForPeople(run.Path)} is {state}.");
        var answers = new List<string>();
        if (!finished)
            answers.Add("r to resume it");
        if (chats)
            answers.Add("c to chat with it");
        else if (finished)
            answers.Add("s to show its sample exchanges");
        answers.Add($"n to start anew in {Paths.ForPeople(fresh.Path)}");
        while (true)
        {
            environment.Output.Write($"Type {string.Join(", ", answers)} [{answers[0][0]}]: ");
            environment.Output.Flush();
            var answer = environment.InputLines.ReadLine()?.Trim();
            switch (string.IsNullOrEmpty(answer) ? answers[0][..1] : answer.ToLowerInvariant())
            {
                case "r" when !finished:
                    return Choice.Run;
                case "c" when chats:
                    return Choice.Chat;
                case "s" when finished && !chats:
                    return Choice.ShowAgain;
                case "n":
                    run = fresh;
                    return Choice.Run;
            }
        }
    }

    private static RunFolder Unused(RunFolder run) => Enumerable.Range(2, int.MaxValue - 2)
        .Select(number => new RunFolder(FormattableString.Invariant($"{Path.TrimEndingDirectorySeparator(run.Path)}-{number}")))
        .First(candidate => !Path.Exists(candidate.Path));

    private static void ShowAgain(CliEnvironment environment, RunFolder run, string? corpus)
    {
        using var console = RunSetup.Console(environment, run, corpus, onError: false);
        foreach (var sample in RunJson.ReadLines<Sample>(run.Samples).Where(sample => sample.Expected is not null))
            console.Sampled(sample);
        console.Finished(RunList.Summary(run));
    }

    /// <summary>The same command; with the folder that was chosen instead of the one asked for.</summary>
    private static IReadOnlyList<string> ResumeArguments(ParseResult parsed, Option<string> folder, RunFolder run)
    {
        var arguments = TrainVerb.Arguments(parsed).ToList();
        if (new RunFolder(parsed.GetRequiredValue(folder)).Path == run.Path)
            return arguments;
        var at = arguments.IndexOf(folder.Name);
        if (at >= 0)
            arguments.RemoveRange(at, 2);
        return [.. arguments, folder.Name, Paths.ForPeople(run.Path)];
    }
}
