using System.CommandLine;
using Cluster.Silo.Hosting;

namespace Cluster.Cli.Verbs;

/// <summary>
/// <c>silo</c>, hidden: the process that Cluster.Silo's own program is. It takes .NET configuration (<c>--Cluster:SiloName=b</c> or
/// the environment), so arguments pass through as they are.
/// </summary>
public static class SiloVerb
{
    /// <summary>The command.</summary>
    public static Command Create()
    {
        var arguments = new Argument<string[]>("arguments") { Arity = ArgumentArity.ZeroOrMore, CaptureRemainingTokens = true };
        var command = new Command("silo", "Run a silo, configured as Orleans and Cluster are.") { arguments };
        command.Hidden = true;
        command.TreatUnmatchedTokensAsErrors = false;
        command.SetAction((parsed, _) => SiloProcess.RunAsync([.. parsed.GetValue(arguments)!, .. parsed.UnmatchedTokens]));
        return command;
    }
}
