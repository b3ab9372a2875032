using System.CommandLine;
using Cluster.Cli.Diagnostics;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Runs;
using Spectre.Console;

namespace Cluster.Cli.Verbs;

/// <summary><c>doctor</c>: whether this machine can do it, and what to do if not.</summary>
public static class DoctorVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var root = new Option<string>("--root") { Description = "The folder that runs are written to.", HelpName = "DIR", DefaultValueFactory = _ => RunsVerb.DefaultRoot };
        var json = Options.Json();
        var command = new Command("doctor", "Check SDK, native libraries, cores, memory, disk, ports and CUDA.") { root, json };
        command.SetAction(parsed =>
        {
            var report = environment.Diagnose(new DoctorOptions(Path.GetFullPath(parsed.GetRequiredValue(root)), DoctorOptions.UsualPorts));
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(report));
            else
                Render(report, environment.Console());
            return report.Status == CheckStatus.Failure ? CommandLine.UserErrorCode : 0;
        });
        return command;
    }

    private static void Render(DoctorReport report, IAnsiConsole console)
    {
        foreach (var check in report.Checks)
        {
            var (word, style) = check.Status switch
            {
                CheckStatus.Ok => ("ok     ", new Style(Color.Green)),
                CheckStatus.Warning => ("warning", new Style(Color.Yellow)),
                _ => ("failure", new Style(Color.Red)),
            };
            console.Write(word, style);
            console.WriteLine($"  {check.Name,-16} {PlainText.OneLine(check.Value)}");
            if (check.Remedy is not null)
                console.WriteLine($"{"",-26} → {PlainText.OneLine(check.Remedy)}");
        }
    }
}
