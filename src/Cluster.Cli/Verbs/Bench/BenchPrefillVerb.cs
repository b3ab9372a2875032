using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Model.Decode;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench prefill</c>.</summary>
internal static class BenchPrefillVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        Option<string> shape = BenchOptions.Shape();
        var precision = new Option<Precision>("--precision")
        {
            Description = "bf16 or fp32 products.",
            DefaultValueFactory = _ => Precision.Bf16,
        };
        var threads = new Option<int>("--threads") { Description = "Threads of a product.", HelpName = "T", DefaultValueFactory = _ => 2 };
        var tokens = new Option<int>("--tokens") { Description = "Tokens of a prompt.", HelpName = "N", DefaultValueFactory = _ => 256 };
        var chunk = new Option<int>("--chunk")
        {
            Description = "Rows of a product of Torch's beside managed decode.",
            HelpName = "N",
            DefaultValueFactory = _ => TorchPrefillDecoder.DefaultChunk,
        };
        var rounds = new Option<int>("--rounds")
        {
            Description = "Rounds, of which the best counts.",
            HelpName = "N",
            DefaultValueFactory = _ => 15,
        };
        var json = Options.Json();
        var command = new Command(
            "prefill", "Prompts by every backend that this machine has, and by the eager library, in turn.")
        {
            shape, precision, threads, tokens, chunk, rounds, json,
        };
        command.SetAction(parsed =>
        {
            Options.Check("--threads", parsed.GetValue(threads), 1, 256);
            Options.Check("--tokens", parsed.GetValue(tokens), 1, 256);
            Options.Check("--chunk", parsed.GetValue(chunk), 16, 1_024);
            Options.Check("--rounds", parsed.GetValue(rounds), 1, 10_000);
            if (parsed.GetValue(precision) == Precision.Auto)
                throw new UserErrorException("--precision is auto.", "Give bf16 or fp32.");
            BenchOptions.Print(environment, parsed.GetValue(json),
                PrefillBenchmark.Run(parsed.GetRequiredValue(shape), parsed.GetValue(precision),
                parsed.GetValue(threads), parsed.GetValue(tokens), parsed.GetValue(chunk), parsed.GetValue(rounds),
                environment.Interrupts.Listen()));
        });
        return command;
    }
}
