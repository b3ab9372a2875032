using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Runs;
using Cluster.Core.Errors;

namespace Cluster.Cli.Verbs;

/// <summary><c>pause</c>, <c>resume</c> and <c>cancel</c>: what a run on the cluster is to do.</summary>
public static class WishVerbs
{
    /// <summary>The command.</summary>
    public static Command Pause(CliEnvironment environment) =>
        Make(environment, "pause", "Let a run's step at hand end and wait there.", driver => driver.PauseAsync(), "pauses after this step");

    /// <summary>The command.</summary>
    public static Command Resume(CliEnvironment environment) =>
        Make(environment, "resume", "Go on with a run after a pause.", driver => driver.ResumeAsync(), "goes on");

    /// <summary>The command.</summary>
    public static Command Cancel(CliEnvironment environment) =>
        Make(environment, "cancel", "End a run after the step at hand, with a checkpoint to go on from.", driver => driver.CancelAsync(), "ends after this step");

    private static Command Make(CliEnvironment environment, string name, string description, Func<IRunDriverGrain, Task<bool>> say, string outcome)
    {
        var run = new Argument<string>("RUN") { Description = "The run's name: the name of its folder." };
        var runs = Options.Runs();
        var command = new Command(name, description) { run, runs };
        command.SetAction(async (parsed, cancellation) =>
        {
            var wanted = Path.GetFileName(Path.TrimEndingDirectorySeparator(parsed.GetRequiredValue(run)));
            await using var connection = await ClusterConnection.OpenAsync(ClusterAddress.Find(parsed.GetRequiredValue(runs), environment), cancellation);
            if (!await say(connection.Grains.GetGrain<IRunDriverGrain>(wanted)))
                throw new UserErrorException($"No stage of a run \"{wanted}\" is being trained.", $"Look at `{environment.Command} status`.");
            environment.Output.WriteLine($"{wanted} {outcome}.");
        });
        return command;
    }
}
