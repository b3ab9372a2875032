using System.CommandLine;
using System.Text.Json;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Cli.Rendering;
using Cluster.Contracts.Faults;
using Cluster.Contracts.Training;
using Cluster.Core.Errors;
using Cluster.Core.Faults;
using Cluster.Core.Runs;
using Cluster.Silo.Hosting;

namespace Cluster.Cli.Verbs;

/// <summary>
/// <c>silo add|kill|drain|roll|list|fault</c> for the silos of the cluster on this machine. Without one of these words it is a silo itself, the
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
        var command = new Command("silo", "Add, kill, drain, replace or list silos of the cluster that `up` started.")
        {
            Add(environment), Kill(environment), Drain(environment), Roll(environment), List(environment), Fault(environment), arguments,
        };
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction((parsed, _) =>
        {
            string[] configuration = [.. parsed.GetValue(arguments)!, .. parsed.UnmatchedTokens];
            if (Array.Find(configuration, argument => !argument.StartsWith("--", StringComparison.Ordinal)) is { } word)
                throw new UserErrorException($"silo has no command \"{word}\".", "Give add, kill, drain, roll, list or fault.");
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

    private static Command Roll(CliEnvironment environment)
    {
        var runs = Options.Runs();
        var patience = new Option<int>("--timeout") { Description = "Seconds to wait for each silo to leave, and for its successor to take part.", HelpName = "S", DefaultValueFactory = _ => 60 };
        var json = Options.Json();
        var command = new Command("roll", "Replace every silo by a new one, one after another, as an upgrade does: training loses no step.") { runs, patience, json };
        command.SetAction(async (parsed, cancellation) =>
        {
            Options.Check("--timeout", parsed.GetValue(patience), 1, MostDrainSeconds);
            var roll = new RollingRestart(new ClusterFolder(parsed.GetRequiredValue(runs)), environment.Command, done =>
            {
                if (!parsed.GetValue(json))
                    environment.Output.WriteLine($"{done.Left} has left; {done.Came} takes its place.");
            })
            {
                Patience = TimeSpan.FromSeconds(parsed.GetValue(patience)),
            };
            var replaced = await roll.RunAsync(cancellation);
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(replaced));
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

    private static Command Fault(CliEnvironment environment)
    {
        var runs = Options.Runs();
        var id = Id();
        var kind = Words<FaultKind>("--kind", "What goes wrong", FaultKind.Kill);
        var phase = Words<StepPhase>("--phase", "Where in the step", StepPhase.Backward);
        var step = new Option<long>("--step") { Description = "At this step, counted from 0, or the first after it; the next if not given.", HelpName = "N" };
        var seconds = new Option<double>("--seconds") { Description = "How long, for slow.", HelpName = "S", DefaultValueFactory = _ => 1 };
        var steps = new Option<long>("--steps") { Description = "For so many steps, each time that it comes there, for slow; once if not given.", HelpName = "N" };
        var command = new Command("fault", "Have something go wrong once, where the silo's replica comes to a place in a step; needs `up --faults`.")
        {
            id, kind, phase, step, seconds, steps, runs,
        };
        command.SetAction(async (parsed, cancellation) =>
        {
            Options.Check("--step", parsed.GetValue(step), 0, long.MaxValue);
            Options.Check("--steps", parsed.GetValue(steps), 0, 100_000_000);
            if (parsed.GetValue(seconds) is not (>= 0 and <= 3_600))
                throw new UserErrorException(FormattableString.Invariant($"--seconds is {parsed.GetValue(seconds)}."), "Give seconds from 0 to 3600.");
            var state = Running(parsed.GetRequiredValue(runs), environment);
            var silo = SiloControl.Find(state, parsed.GetRequiredValue(id));
            if (state.Faults is null)
                throw new UserErrorException("This cluster takes no faults.", $"Start it with `{environment.Command} up --faults`.");
            await using var connection = await ClusterConnection.OpenAsync(state, cancellation);
            await connection.Grains.GetGrain<IFaultGrain>(new ReplicaKey("faults", silo.Name, 0).ToString()).ArmAsync(
                Enum.Parse<FaultKind>(Name(parsed.GetValue(kind)!), ignoreCase: true), Enum.Parse<StepPhase>(Name(parsed.GetValue(phase)!), ignoreCase: true),
                parsed.GetValue(step), parsed.GetValue(seconds), parsed.GetValue(steps));
            environment.Output.WriteLine($"{silo.Name}: {parsed.GetValue(kind)} in {parsed.GetValue(phase)}, from step {parsed.GetValue(step)} on.");
        });
        return command;

        static Option<string> Words<T>(string name, string description, T first)
            where T : struct, Enum
        {
            string[] words = [.. Enum.GetValues<T>().Select(value => JsonNamingPolicy.KebabCaseLower.ConvertName($"{value}"))];
            var option = new Option<string>(name)
            {
                Description = $"{description}: {string.Join(", ", words)}.",
                HelpName = "WORD",
                DefaultValueFactory = _ => JsonNamingPolicy.KebabCaseLower.ConvertName($"{first}"),
            };
            option.AcceptOnlyFromAmong(words);
            return option;
        }

        static string Name(string word) => word.Replace("-", "", StringComparison.Ordinal);
    }

    private static Argument<string> Id() => new("ID") { Description = "The silo's name, or the number at its end." };

    private static ClusterState Running(string runs, CliEnvironment environment) => new ClusterFolder(runs).Running(environment.Command);
}
