using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Cli.Rendering;
using Cluster.Cli.Runs;
using Cluster.Core.Runs;
using Cluster.Silo.Stages;

namespace Cluster.Cli.Verbs;

/// <summary>What demo and train have in common: run, show, and stop well.</summary>
internal static class RunVerbs
{
    /// <summary>Runs a request with its progress on the console.</summary>
    /// <param name="environment">The outside.</param>
    /// <param name="host">Where it runs.</param>
    /// <param name="request">What to run.</param>
    /// <param name="webPort">A port that the page must have.</param>
    /// <param name="resumeArguments">Arguments of the command that goes on with the run.</param>
    /// <param name="onError">Whether progress goes to standard error, because standard output is for the result.</param>
    public static async Task<RunSummary> RunAsync(
        CliEnvironment environment, IRunHost host, RunRequest request, int? webPort, IReadOnlyList<string> resumeArguments, bool onError)
    {
        using var console = RunSetup.Console(environment, request.Folder, request.CorpusPath, onError);
        var cancellation = environment.Interrupts.Listen();
        await using var _ = cancellation.Register(() => console.Say(host is ClusterRunHost
            ? $"the run goes on; watch it again with: {environment.Command} {Quoting.Line(resumeArguments)}"
            : $"stopping after this step; the run can be resumed with: {environment.Command} {Quoting.Line(resumeArguments)}"));
        return await host.RunAsync(request, console, webPort, cancellation);
    }
}
