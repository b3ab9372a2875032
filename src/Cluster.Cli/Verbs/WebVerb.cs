using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Web;

namespace Cluster.Cli.Verbs;

/// <summary>
/// <c>web</c>, hidden: the process that Cluster.Web's own program is. It takes .NET configuration (<c>--Cluster:WebPort=8081</c> or
/// the environment), so arguments pass through as they are.
/// </summary>
public static class WebVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var arguments = new Argument<string[]>("arguments") { Arity = ArgumentArity.ZeroOrMore, CaptureRemainingTokens = true };
        var command = new Command("web", "Run the page and its API, as a client of a cluster.") { arguments };
        command.Hidden = true;
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction((parsed, _) =>
        {
            SupervisedProcess.Enter(environment);
            return WebProcess.RunAsync([.. parsed.GetValue(arguments)!, .. parsed.UnmatchedTokens]);
        });
        return command;
    }
}
