using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Cli.Runs;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs;

/// <summary><c>prove</c>: the promise, shown on this machine in under two minutes.</summary>
public static class ProveVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var json = Options.Json();
        var command = new Command("prove", "Train a small model twice, kill a silo in one of the runs, and compare the weights.") { json };
        command.SetAction(async (parsed, _) =>
        {
            var folder = Directory.CreateTempSubdirectory("cluster-prove-").FullName;
            try
            {
                var log = parsed.GetValue(json) ? environment.Error : environment.Output;
                var result = await new Proof(folder, log.WriteLine).RunAsync(environment.Interrupts.Listen());
                if (parsed.GetValue(json))
                    environment.Output.WriteLine(RunJson.Document(result));
                else
                    Render(result, environment);
                return result.Equal ? 0 : 1;
            }
            finally
            {
                Directory.Delete(folder, recursive: true);
            }
        });
        return command;
    }

    private static void Render(ProofResult result, CliEnvironment environment)
    {
        environment.Output.WriteLine();
        Tables.Columns(environment.Console(), [">step", ">loss, undisturbed", ">loss, disturbed"], result.Losses.Select(step => (string[])
        [
            $"{step.Step}", Loss(step.Undisturbed), Loss(step.Disturbed),
        ]));
        environment.Output.WriteLine();
        environment.Output.WriteLine($"undisturbed  {result.UndisturbedSha256}");
        environment.Output.WriteLine($"disturbed    {result.DisturbedSha256}");
        environment.Output.WriteLine();
        environment.Output.WriteLine(result.Equal
            ? $"EQUAL: {result.Steps} steps, {result.CheckpointsLoaded} checkpoints loaded, the same weights to the last bit."
            : "NOT EQUAL: please report this with the output of `cluster doctor`.");
    }

    private static string Loss(double loss) => Figures.Number(loss, 12);
}
