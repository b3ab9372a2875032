using System.CommandLine;
using Cluster.Cli.Hosting;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench</c>: figures of this machine, to be set beside others measured on it.</summary>
public static class BenchVerbs
{
    /// <summary>The command with its kinds.</summary>
    public static Command Create(CliEnvironment environment) => new("bench", "Measure this machine.")
    {
        BenchTrainVerb.Create(environment),
        BenchTrainOptionsVerb.Create(environment),
        BenchReductionVerb.Create(environment),
        BenchMetricsCostVerb.Create(environment),
        BenchTokenizerVerb.Create(environment),
        BenchCorpusVerb.Create(environment),
        BenchGenerateVerb.Create(environment),
        BenchPrefillVerb.Create(environment),
        BenchServeVerb.Create(environment),
        BenchAllReduceVerb.Create(environment),
        BenchSimulateVerb.Create(environment),
        BenchChaosVerb.Create(environment),
        BenchBalanceVerb.Create(environment),
        BenchAllReduceVerb.CreateMember(environment),
    };
}
