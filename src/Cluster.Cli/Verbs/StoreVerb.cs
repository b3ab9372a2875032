using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;

namespace Cluster.Cli.Verbs;

/// <summary><c>store</c>, hidden: the process in which <c>up</c> keeps membership and grain storage.</summary>
public static class StoreVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var port = new Option<int>("--port") { Description = "Loopback port to listen on.", HelpName = "N", Required = true };
        var data = new Option<string>("--data") { Description = "Folder of its data.", HelpName = "DIR", Required = true };
        var command = new Command("store", "Run a store that speaks Redis' protocol.") { port, data };
        command.Hidden = true;
        command.SetAction((parsed, _) =>
        {
            Options.Check("--port", parsed.GetValue(port), 1, 65_535);
            SupervisedProcess.Enter(environment, isStore: true);
            var folder = Path.GetFullPath(parsed.GetRequiredValue(data));
            return StoreProcess.RunAsync(parsed.GetValue(port), folder, environment.Output, environment.Interrupts.Listen());
        });
        return command;
    }
}
