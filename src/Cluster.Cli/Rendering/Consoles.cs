using Spectre.Console;

namespace Cluster.Cli.Rendering;

/// <summary>Consoles over a writer.</summary>
public static class Consoles
{
    // Wide enough that nothing a table holds is wrapped in a file.
    private const int PlainWidth = 4_096;

    /// <param name="writer">Where it writes.</param>
    /// <param name="isTerminal">Otherwise: no escape sequences, no live widgets, no wrapping.</param>
    public static IAnsiConsole Over(TextWriter writer, bool isTerminal)
    {
        if (isTerminal)
            return AnsiConsole.Create(new AnsiConsoleSettings { Out = new AnsiConsoleOutput(writer) });
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.No,
            ColorSystem = ColorSystemSupport.NoColors,
            Interactive = InteractionSupport.No,
            Out = new AnsiConsoleOutput(writer),
            Enrichment = new ProfileEnrichment { UseDefaultEnrichers = false },
        });
        console.Profile.Width = PlainWidth;
        return console;
    }
}
