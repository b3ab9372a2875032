using System.CommandLine;
using Cluster.Cli.Chat;
using Cluster.Cli.Hosting;
using Cluster.Core.Runs;

namespace Cluster.Cli.Verbs;

/// <summary><c>chat</c>: talk with a run's model.</summary>
public static class ChatVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var run = new Option<string>("--run") { Description = "The run's folder.", HelpName = "DIR", Required = true };
        var quantized = Options.Quantized();
        var command = new Command("chat", "Chat with a run's model.") { run, quantized };
        var sampling = new SamplingOptions(command, temperature: 0.3);
        command.SetAction(async (parsed, _) =>
        {
            using var model = RunChat.Open(new RunFolder(parsed.GetRequiredValue(run)), sampling.Of(parsed), environment.Error.WriteLine, parsed.GetValue(quantized));
            return await new ChatConsole(model, environment.InputLines, environment.Output, environment.Interrupts, environment.IsInteractive).RunAsync();
        });
        return command;
    }
}
