using Cluster.Cli.Hosting;
using Cluster.Core.Runs;

namespace Cluster.Cli.Rendering;

/// <summary>Something to do after a run.</summary>
/// <param name="What">In words.</param>
/// <param name="Command">To copy as it stands.</param>
public sealed record NextStep(string What, string Command)
{
    /// <summary>What the end of a run offers.</summary>
    /// <param name="run">The run.</param>
    /// <param name="command">How the user calls this program.</param>
    public static IReadOnlyList<NextStep> After(RunFolder run, string command)
    {
        var folder = Quoting.Argument(Paths.ForPeople(run.Path));
        var own = Quoting.Argument(Paths.ForPeople(Path.Combine(Path.GetDirectoryName(run.Path) ?? run.Path, "mine")));
        return
        [
            new("Talk to it", $"{command} chat --run {folder}"),
            new("Train on your own text", $"{command} demo --corpus PATH --out {own}"),
            new("Give it an hour", $"{command} demo --minutes 60 --out {own}"),
        ];
    }
}
