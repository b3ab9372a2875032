using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench all-reduce</c>.</summary>
internal static class BenchAllReduceVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var processes = new Option<int>("--processes")
        {
            Description = "Replicas, each a process of its own.",
            HelpName = "N",
            DefaultValueFactory = _ => 2,
        };
        var megabytes = new Option<int>("--megabytes")
        {
            Description = "Size of the gradient.",
            HelpName = "MB",
            DefaultValueFactory = _ => 64,
        };
        var transport = new Option<string>("--transport") { Description = "How gradients travel.", DefaultValueFactory = _ => "shared" };
        transport.AcceptOnlyFromAmong("shared", "tcp");
        var json = Options.Json();
        var command = new Command(
            "all-reduce", "Gradients of several processes on this host, added up.")
        {
            processes, megabytes, transport, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--processes", parsed.GetValue(processes), 1, 16);
            Options.Check("--megabytes", parsed.GetValue(megabytes), 1, 4_096);
            BenchOptions.Print(environment, parsed.GetValue(json), await AllReduceBenchmark.RunAsync(
                parsed.GetValue(processes), parsed.GetValue(megabytes), parsed.GetValue(transport) == "shared",
                environment.Interrupts.Listen()));
        });
        return command;
    }

    /// <summary>One of its replicas, which the benchmark starts.</summary>
    public static Command CreateMember(CliEnvironment environment)
    {
        var command = new Command(AllReduceMember.Verb, "One replica of all-reduce, told what to do on its input.") { Hidden = true };
        command.SetAction((_, cancellation) => AllReduceMember.RunAsync(environment.InputLines, environment.Output, cancellation));
        return command;
    }
}
