using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;
using Cluster.Core.Runs;
using Cluster.Inference.Managed;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench serve</c>.</summary>
internal static class BenchServeVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var run = new Option<string?>("--run") { Description = "A run's folder, whose model is served.", HelpName = "DIR" };
        Option<string> shape = BenchOptions.Shape();
        var precision = new Option<DecodePrecision>("--precision")
        {
            Description = "bf16 or fp32 weights.",
            DefaultValueFactory = _ => DecodePrecision.Fp32,
        };
        var clients = new Option<int>("--clients")
        {
            Description = "Clients, each with one streamed request at a time.",
            HelpName = "N",
            DefaultValueFactory = _ => 200,
        };
        var seconds = new Option<int>("--seconds")
        {
            Description = "How long they send requests.",
            HelpName = "S",
            DefaultValueFactory = _ => 60,
        };
        var silos = new Option<int>("--silos")
        {
            Description = "Silo processes, each with a worker.",
            HelpName = "N",
            DefaultValueFactory = _ => 2,
        };
        var kill = new Option<bool>("--kill-worker") { Description = "Kill the second silo in the middle." };
        var json = Options.Json();
        var command = new Command(
            "serve",
            "Many clients of a cluster of processes; "
            + "ends with 1 where a request failed, a reply differs from itself alone, or a block is lost.")
        {
            run, shape, precision, clients, seconds, silos, kill, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--clients", parsed.GetValue(clients), 1, 10_000);
            Options.Check("--seconds", parsed.GetValue(seconds), 1, 86_400);
            Options.Check("--silos", parsed.GetValue(silos), parsed.GetValue(kill) ? 2 : 1, 16);
            var folder = Directory.CreateTempSubdirectory("cluster-serve-").FullName;
            var log = parsed.GetValue(json) ? environment.Error : environment.Output;
            log.WriteLine($"logs are in {folder}, which is kept if anything goes wrong");
            var size = parsed.GetRequiredValue(shape);
            var model = parsed.GetValue(run) is { } trained
                ? ServedModel.Link(folder, new RunFolder(trained))
                : ServedModel.Write(folder, $"bench-{size}", BenchmarkShape.Get(size).Model);
            var result = await new ServeBenchmark(folder, model, parsed.GetValue(precision), log.WriteLine).RunAsync(
                parsed.GetValue(clients), parsed.GetValue(silos), TimeSpan.FromSeconds(parsed.GetValue(seconds)), parsed.GetValue(kill),
                environment.Interrupts.Listen());
            BenchOptions.Print(environment, parsed.GetValue(json), result);
            if (!result.Holds)
                return 1;
            Directory.Delete(folder, recursive: true);
            return 0;
        });
        return command;
    }
}
