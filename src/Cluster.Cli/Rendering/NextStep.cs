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
    /// <param name="corpus">The text that it was given, or null.</param>
    /// <param name="command">How the user calls this program.</param>
    public static IReadOnlyList<NextStep> After(RunFolder run, string? corpus, string command)
    {
        var folder = Quoting.Argument(Paths.ForPeople(run.Path));
        string own = Beside("mine"), again = Beside(run.Name + "-again"), text = corpus is null ? "" : $" --corpus {Quoting.Argument(corpus)}";
        return
        [
            new("Talk to it", $"{command} chat --run {folder}"),
            new("Train on your own text", $"{command} demo --corpus PATH --out {own}"),
            new("Train it again on three replicas: the weights come out the same",
                $"{command} train --recipe {Quoting.Argument(Paths.ForPeople(run.Recipe))}{text} --replicas 3 --out {again}"),
            new("Train on silos that may be killed, and add more while it trains", $"{command} up --silos 3"),
        ];

        string Beside(string name) => Quoting.Argument(Paths.ForPeople(Path.Combine(Path.GetDirectoryName(run.Path) ?? run.Path, name)));
    }
}
