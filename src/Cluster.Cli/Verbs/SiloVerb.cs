using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Silo.Hosting;

namespace Cluster.Cli.Verbs;

/// <summary>
/// <c>silo add|kill|drain|list</c> for the silos of the cluster on this machine. Without one of these words it is a silo itself, the
/// process that Cluster.Silo's own program is: it takes .NET configuration (<c>--Cluster:SiloName=b</c> or the environment), so
/// arguments pass through as they are.
/// </summary>
public static class SiloVerb
{
    private const int MostDrainSeconds = 86_400;

    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        // Options without a blank in them, so that they need no declaration; anything else is a word that is none of the verbs below.
        var arguments = new Argument<string[]>("configuration") { Arity = ArgumentArity.ZeroOrMore, CaptureRemainingTokens = true, Hidden = true };
        var command = new Command("silo", "Add, kill, drain or list silos of the cluster that `up` started.")
        {
            Add(environment), Kill(environment), Drain(environment), List(environment), arguments,
        };
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction((parsed, _) =>
        {
            string[] configuration = [.. parsed.GetValue(arguments)!, .. parsed.UnmatchedTokens];
            if (Array.Find(configuration, argument => !argument.StartsWith("--", StringComparison.Ordinal)) is { } word)
                throw new UserErrorException($"silo has no command \"{word}\".", "Give add, kill, drain or list.");
            SupervisedProcess.Enter(environment);
            return SiloProcess.RunAsync(configuration);
        });
        return command;
    }

    private static Command Add(CliEnvironment environment)
    {
        var runs = Options.Runs();
        var json = Options.Json();
        var command = new Command("add", "Start one more silo.") { runs, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            var silo = await SiloControl.AddAsync(Running(parsed.GetRequiredValue(runs), environment), cancellation);
            environment.Output.WriteLine(parsed.GetValue(json)
                ? RunJson.Document(silo)
                : $"{silo.Name} is up (process {silo.Process.Pid}, port {silo.Port}).");
        });
        return command;
    }

    private static Command Kill(CliEnvironment environment)
    {
        var runs = Options.Runs();
        var id = Id();
        var command = new Command("kill", "End a silo at once, as a crash would.") { id, runs };
        command.SetAction(async (parsed, cancellation) =>
        {
            var silo = SiloControl.Find(Running(parsed.GetRequiredValue(runs), environment), parsed.GetRequiredValue(id));
            await SiloControl.KillAsync(silo, cancellation);
            environment.Output.WriteLine($"{silo.Name} (process {silo.Process.Pid}) is killed.");
        });
        return command;
    }

    private static Command Drain(CliEnvironment environment)
    {
        var runs = Options.Runs();
        var id = Id();
        var patience = new Option<int>("--timeout") { Description = "Seconds to wait for its end.", HelpName = "S", DefaultValueFactory = _ => 60 };
        var command = new Command("drain", "Let a silo hand over its work and leave.") { id, runs, patience };
        command.SetAction(async (parsed, cancellation) =>
        {
            Options.Check("--timeout", parsed.GetValue(patience), 1, MostDrainSeconds);
            var silo = SiloControl.Find(Running(parsed.GetRequiredValue(runs), environment), parsed.GetRequiredValue(id));
            var began = environment.Time.GetTimestamp();
            await SiloControl.DrainAsync(silo, TimeSpan.FromSeconds(parsed.GetValue(patience)), cancellation);
            var took = Figures.Duration(environment.Time.GetElapsedTime(began).TotalSeconds);
            environment.Output.WriteLine($"{silo.Name} (process {silo.Process.Pid}) has left, after {took}.");
        });
        return command;
    }

    private static Command List(CliEnvironment environment)
    {
        var runs = Options.Runs();
        var json = Options.Json();
        var command = new Command("list", "List the silos with what the cluster holds them for.") { runs, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            var state = Running(parsed.GetRequiredValue(runs), environment);
            var status = await ClusterStatus.AskAsync(state, environment.Time.GetUtcNow(), cancellation);
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(status.Silos));
            else
                StatusVerb.RenderSilos(status, environment);
        });
        return command;
    }

    private static Argument<string> Id() => new("ID") { Description = "The silo's name, or the number at its end." };

    private static ClusterState Running(string runs, CliEnvironment environment) => new ClusterFolder(runs).Running(environment.Command);
}
