// Enters: the process's streams, or a test's. Leaves: what verbs read, write and call. Does not know: any verb.

using System.Text;
using Cluster.Cli.Chat;
using Cluster.Cli.Diagnostics;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Runs;
using Cluster.Inference.Sampling;
using Spectre.Console;

namespace Cluster.Cli.Hosting;

/// <summary>Everything outside a verb that it touches, so that a test runs verbs in its own process.</summary>
public sealed class CliEnvironment
{
    /// <summary>Standard input as bytes.</summary>
    public required Stream Input { get; init; }

    /// <summary>Standard input by lines; what it read ahead is lost to <see cref="Input"/>, so a verb takes one of the two.</summary>
    public required TextReader InputLines { get; init; }

    /// <summary>Standard output as bytes, for results that are not text.</summary>
    public required Stream OutputBytes { get; init; }

    /// <summary>Standard output.</summary>
    public required TextWriter Output { get; init; }

    /// <summary>Standard error.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Whether somebody can answer a question.</summary>
    public bool InputIsTerminal { get; init; }

    /// <summary>Whether output may move the cursor and use colours.</summary>
    public bool OutputIsTerminal { get; init; }

    /// <summary>The same of <see cref="Error"/>.</summary>
    public bool ErrorIsTerminal { get; init; }

    /// <summary>Ctrl-C.</summary>
    public required Interrupts Interrupts { get; init; }

    /// <summary>Makes what runs a recipe.</summary>
    public required Func<IRunHost> RunHost { get; init; }

    /// <summary>Opens the model of a run for a chat; null where that is not to be had.</summary>
    public Func<RunFolder, CancellationToken, Task<IChatModel>>? OpenChat { get; init; }

    /// <summary>Checks the machine; takes the folder for runs and the ports wanted.</summary>
    public Func<DoctorOptions, DoctorReport> Diagnose { get; init; } = Doctor.Examine;

    /// <summary>Clocks the display.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>An environment variable, or null.</summary>
    public Func<string, string?> Variable { get; init; } = Environment.GetEnvironmentVariable;

    /// <summary>How the user calls this program: "cluster", or the whole "dotnet run".</summary>
    public string Command { get; init; } = CommandName.Of(AppContext.BaseDirectory, Environment.CurrentDirectory);

    /// <summary>Whether a question can be put and answered.</summary>
    public bool IsInteractive => InputIsTerminal && OutputIsTerminal;

    /// <summary>A console over standard output.</summary>
    public IAnsiConsole Console() => Consoles.Over(Output, OutputIsTerminal);

    /// <summary>A console over standard error, for progress beside a result that is JSON.</summary>
    public IAnsiConsole ErrorConsole() => Consoles.Over(Error, ErrorIsTerminal);

    private static void End(int code)
    {
        // A progress bar hides the cursor, and an end at once leaves it no time to show it again.
        if (!System.Console.IsOutputRedirected)
            System.Console.Out.Write("\e[?25h");
        Environment.Exit(code);
    }

    /// <summary>The process's own.</summary>
    public static CliEnvironment OfProcess()
    {
        var utf8 = new UTF8Encoding(encoderShouldEmitUTF8Identifier: false);
        if (OperatingSystem.IsWindows())
            System.Console.OutputEncoding = utf8;
        var output = System.Console.OpenStandardOutput();
        return new CliEnvironment
        {
            Input = System.Console.OpenStandardInput(),
            InputLines = System.Console.In,
            OutputBytes = output,
            // Console.Out reads the terminal's encoding; a file or a pipe always gets UTF-8.
            Output = System.Console.IsOutputRedirected ? TextWriter.Synchronized(new StreamWriter(output, utf8) { AutoFlush = true }) : System.Console.Out,
            Error = System.Console.Error,
            InputIsTerminal = !System.Console.IsInputRedirected,
            OutputIsTerminal = !System.Console.IsOutputRedirected,
            ErrorIsTerminal = !System.Console.IsErrorRedirected,
            Interrupts = new Interrupts(End),
            RunHost = () => new EmbeddedRunHost(),
            OpenChat = (folder, _) => Task.FromResult<IChatModel>(
                RunChat.Open(folder, new GenerationOptions { Temperature = 0.3, TopK = 40, MaxTokens = 128 }, System.Console.Error.WriteLine)),
        };
    }
}
