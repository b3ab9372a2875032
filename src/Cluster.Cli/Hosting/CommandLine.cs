// Enters: arguments. Leaves: an exit code, and for an error one paragraph. Does not know: what verbs do.

using System.CommandLine;
using System.CommandLine.Invocation;
using Cluster.Cli.Rendering;
using Cluster.Cli.Verbs;
using Cluster.Cli.Verbs.Bench;
using Cluster.Core.Errors;

namespace Cluster.Cli.Hosting;

/// <summary>
/// The root of all verbs, and what their failures become: a mistake of the user one paragraph and 1, a command line that does not
/// parse 2, a fault of this program one line and 70 (sysexits' EX_SOFTWARE), Ctrl-C 130.
/// </summary>
public static class CommandLine
{
    /// <summary>Exit code of a mistake that the user can mend.</summary>
    public const int UserErrorCode = 1;

    /// <summary>Exit code of a command line that does not parse.</summary>
    public const int ParseErrorCode = 2;

    /// <summary>Exit code of a fault of this program.</summary>
    public const int FaultCode = 70;

    /// <summary>All verbs.</summary>
    public static RootCommand Root(CliEnvironment environment)
    {
        var tokenizer = new Command("tokenizer", "Train a tokenizer, and turn text into ids and back.")
        {
            TokenizerTrainVerb.Create(environment),
            TokenizerEncodeVerb.Create(environment),
            TokenizerDecodeVerb.Create(environment),
        };
        return new RootCommand("Trains language models on this machine or many, from raw text to a chat.")
        {
            DemoVerb.Create(environment),
            TrainVerb.Create(environment),
            ChatVerb.Create(environment),
            GenerateVerb.Create(environment),
            tokenizer,
            CorpusVerbs.Create(environment),
            new Command("model", "Look at models, and make them smaller.")
            {
                ModelDescribeVerb.Create(environment),
                ModelGraphVerb.Create(environment),
                ModelQuantizeVerb.Create(environment),
                ModelPruneVerb.Create(environment),
            },
            RunsVerb.Create(environment),
            SteeringVerbs.Rollback(environment),
            SteeringVerbs.Change(environment),
            SteeringVerbs.Branch(environment),
            CompareVerb.Create(environment),
            UpVerb.Create(environment),
            ProveVerb.Create(environment),
            ChaosVerb.Create(environment),
            SimulateVerb.Create(environment),
            PlanVerb.Create(environment),
            StatusVerb.Create(environment),
            WishVerbs.Pause(environment),
            WishVerbs.Resume(environment),
            WishVerbs.Cancel(environment),
            SiloVerb.Create(environment),
            DoctorVerb.Create(environment),
            BenchVerbs.Create(environment),
            WebVerb.Create(environment),
            StoreVerb.Create(environment),
        };
    }

    /// <summary>Parses, runs and reports.</summary>
    /// <returns>The process's exit code.</returns>
    public static async Task<int> RunAsync(IReadOnlyList<string> arguments, CliEnvironment environment)
    {
        try
        {
            // "@name" is text like any other (a prompt may begin with it), not a file of further arguments.
            var parsed = Root(environment).Parse(arguments, new ParserConfiguration { ResponseFileTokenReplacer = null, EnablePosixBundling = false });
            if (parsed.Action is ParseErrorAction)
                return RejectParse(parsed, environment.Error);
            return await parsed.InvokeAsync(new InvocationConfiguration
            {
                Output = environment.Output,
                Error = environment.Error,
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
            });
        }
        catch (Exception error)
        {
            return Report(error, environment);
        }
        finally
        {
            await environment.Output.FlushAsync();
            await environment.Error.FlushAsync();
        }
    }

    private static int RejectParse(ParseResult parsed, TextWriter error)
    {
        foreach (var problem in parsed.Errors)
            error.WriteLine(PlainText.OneLine(problem.Message));
        var names = new List<string>();
        for (var command = parsed.CommandResult; command is not null; command = command.Parent as System.CommandLine.Parsing.CommandResult)
        {
            if (command.Command is not RootCommand)
                names.Insert(0, command.Command.Name + " ");
        }

        error.WriteLine($"See `cluster {string.Concat(names)}--help`.");
        return ParseErrorCode;
    }

    private static int Report(Exception error, CliEnvironment environment)
    {
        // A failure on a worker arrives wrapped; the reason is what counts.
        while (error is AggregateException { InnerExceptions.Count: 1 } && error.InnerException is { } inner)
            error = inner;
        switch (error)
        {
            case UserErrorException:
                environment.Error.WriteLine(PlainText.OneLine(error.Message));
                return UserErrorCode;
            case OperationCanceledException when environment.Interrupts.Token.IsCancellationRequested:
                return environment.Interrupts.ExitCode;
            case IOException or UnauthorizedAccessException:
                environment.Error.WriteLine(PlainText.OneLine(
                    $"{error.Message} Check that the file or folder can be read and written by this user and that the disk has space."));
                Trace();
                return UserErrorCode;
            default:
                var how = Traces() ? "" : " (CLUSTER_TRACE=1 shows where it happened)";
                environment.Error.WriteLine(PlainText.OneLine(
                    $"This is a fault of this program, please report it: {error.GetType().Name}: {error.Message}{how}"));
                Trace();
                return FaultCode;
        }

        bool Traces() => environment.Variable("CLUSTER_TRACE") == "1";

        void Trace()
        {
            if (Traces())
                environment.Error.WriteLine(error);
        }
    }
}
