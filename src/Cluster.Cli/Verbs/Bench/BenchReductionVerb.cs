using System.CommandLine;
using Cluster.Cli.Benchmarks;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs.Bench;

/// <summary><c>bench reduction</c>.</summary>
internal static class BenchReductionVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var steps = new Option<int>("--steps") { Description = "Steps of each run.", HelpName = "N", DefaultValueFactory = _ => 400 };
        var seeds = new Option<int>("--seeds")
        {
            Description = "Seeds, each with a run in fp32, one in bf16, and one in fp32 along another tree.",
            HelpName = "N",
            DefaultValueFactory = _ => 3,
        };
        var json = Options.Json();
        var command = new Command(
            "reduction", "A small model trained with gradients reduced in fp32 and in bf16: what it does to the loss, and the bytes.")
        {
            steps, seeds, json,
        };
        command.SetAction(async (parsed, _) =>
        {
            Options.Check("--steps", parsed.GetValue(steps), 10, 1_000_000);
            Options.Check("--seeds", parsed.GetValue(seeds), 1, 100);
            var folder = Directory.CreateTempSubdirectory("cluster-reduction-").FullName;
            try
            {
                var result = await new ReductionBenchmark(folder, environment.Error.WriteLine).RunAsync(parsed.GetValue(steps),
                    parsed.GetValue(seeds), environment.Interrupts.Listen());
                if (parsed.GetValue(json))
                {
                    environment.Output.WriteLine(RunJson.Document(result));
                    return;
                }

                Tables.Pairs(environment.Console(),
                [
                    ("parameters", Figures.Whole(result.Parameters)), ("steps", Figures.Whole(result.Steps)),
                    ("replicas", Figures.Whole(result.Replicas)), ("lanes", Figures.Whole(result.Lanes)),
                    ("bytes, bf16 / fp32", Figures.Number(result.BytesRatio, 4)),
                    ("bits per byte, bf16 - fp32, mean", Figures.Number(result.Difference, 5)),
                    ("the same without signs", Figures.Number(result.MeanDistance, 5)),
                    ("fp32 along another tree, without signs", Figures.Number(result.OtherTreeDistance, 5)),
                ]);
                environment.Output.WriteLine();
                Tables.Columns(
                    environment.Console(),
                    [">seed", "reduction", ">validation, bits per byte", ">loss", ">training loss", ">exchanged, MB", "weights"],
                    result.Runs.Select(run => (string[])
                    [
                        $"{run.Seed}", run.Reduction, Figures.Number(run.ValidationBitsPerByte, 4), Figures.Number(run.ValidationLoss, 4),
                        Figures.Number(run.TrainLoss, 4),
                        Figures.Number(run.ExchangedBytes / 1e6, 1), run.WeightsSha256[..12],
                    ]));
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        });
        return command;
    }
}
