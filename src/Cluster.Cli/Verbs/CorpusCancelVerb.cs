using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Corpus;
using Cluster.Core.Errors;

namespace Cluster.Cli.Verbs;

/// <summary><c>corpus cancel</c>: ends a build on the cluster; what is done stays.</summary>
public static class CorpusCancelVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var name = new Argument<string>("NAME") { Description = "The corpus' name in its recipe." };
        var runs = Options.Runs();
        var command = new Command("cancel", "End a build on the cluster after the partitions at hand; submitted again, it goes on.") { name, runs };
        command.SetAction(async (parsed, cancellation) =>
        {
            var wanted = parsed.GetRequiredValue(name);
            await using var connection = await ClusterConnection.OpenAsync(ClusterAddress.Find(parsed.GetRequiredValue(runs), environment), cancellation);
            if (!await connection.Grains.GetGrain<ICorpusGrain>(wanted).CancelAsync())
                throw new UserErrorException($"No corpus \"{wanted}\" is being built.", "Give the name in the recipe of a corpus that `corpus build --cluster` submitted.");
            environment.Output.WriteLine($"{wanted} ends after the partitions at hand.");
        });
        return command;
    }
}
