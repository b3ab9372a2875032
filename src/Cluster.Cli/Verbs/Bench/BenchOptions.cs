using System.CommandLine;
using System.Text.Json;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Models;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs.Bench;

/// <summary>What several benchmarks take, and how they print what they found.</summary>
internal static class BenchOptions
{
    public static Option<string> Shape() => new("--shape")
    {
        Description = "S (6 × 256, vocabulary 8,192) or M (12 × 768, vocabulary 50,304).",
        HelpName = "S|M",
        DefaultValueFactory = _ => "S",
    };

    public static Option<Precision> TrainingPrecision() => new("--precision")
    {
        Description = "bf16, fp32, or auto for what this machine is best at.",
        DefaultValueFactory = _ => Precision.Auto,
    };

    public static Option<int> Replicas(string description, int otherwise) => new("--replicas")
    {
        Description = description,
        HelpName = "N",
        DefaultValueFactory = _ => otherwise,
    };

    public static Option<int> ReplicaThreads() => new("--threads")
    {
        Description = "Threads of each replica.",
        HelpName = "T",
        DefaultValueFactory = _ => 1,
    };

    public static void Print<T>(CliEnvironment environment, bool json, T result)
    {
        var document = RunJson.Document(result);
        if (json)
        {
            environment.Output.WriteLine(document);
            return;
        }

        using var parsed = JsonDocument.Parse(document);
        Tables.Pairs(environment.Console(),
            parsed.RootElement.EnumerateObject().Select(p => (p.Name.Replace('_', ' '), p.Value.ToString())));
    }
}
