// Enters: options of demo and train. Leaves: checked values. Does not know: how a run works.

using Cluster.Cli.Diagnostics;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;

namespace Cluster.Cli.Runs;

/// <summary>What demo and train check before anything is started.</summary>
public static class RunSetup
{
    /// <summary>The silo that replicas are placed on until the host puts its own there.</summary>
    public static IReadOnlyList<string> EmbeddedSilo { get; } = ["silo"];

    /// <summary>Refuses numbers out of range.</summary>
    public static void CheckCommon(int? replicas, int? webPort)
    {
        Options.Check("--replicas", replicas, 1, 256);
        Options.Check("--web-port", webPort, 1, 65_535);
        if (webPort is { } port && !Doctor.IsPortFree(port))
            throw new UserErrorException($"--web-port {port} is in use.", "Give another port, or leave the option out to take a free one.");
    }

    /// <summary>Refuses a corpus that is not there or holds no kind of text that is read, before anything else is started.</summary>
    public static void CheckCorpus(string? path)
    {
        if (path is not null)
            _ = CorpusBuilder.Source(path).TotalBytes;
    }

    /// <summary>As many replicas as there are cores for their threads and lanes for them to work on.</summary>
    public static int Replicas(int? asked, Recipe recipe) =>
        asked ?? Math.Clamp(Environment.ProcessorCount / recipe.Training.ThreadsPerReplica, 1, Math.Min(256, recipe.Training.Lanes));

    /// <summary>Refuses to write a run among files that are not a run's.</summary>
    /// <exception cref="UserErrorException">The folder is a file, or holds something else.</exception>
    public static void CheckFolder(RunFolder folder)
    {
        if (File.Exists(folder.Path))
            throw new UserErrorException($"--out {folder.Path} is a file.", "Give the path of a folder.");
        // The first files of a run that was stopped before it had its recipe.
        if (folder.Exists || File.Exists(folder.Lock) || File.Exists(folder.Stages) || File.Exists(folder.CorpusReport))
            return;
        if (Directory.Exists(folder.Path) && Directory.EnumerateFileSystemEntries(folder.Path).Any())
            throw new UserErrorException($"--out {folder.Path} holds files but no run.", "Give a new or empty folder, so that nothing in it is overwritten.");
    }

    /// <summary>How a run is shown: live on a terminal, otherwise by lines.</summary>
    public static RunConsole Console(CliEnvironment environment, RunFolder folder, string? corpus, bool onError)
    {
        var (writer, isTerminal) = onError ? (environment.Error, environment.ErrorIsTerminal) : (environment.Output, environment.OutputIsTerminal);
        IRunDisplay display = isTerminal
            ? new TerminalDisplay(onError ? environment.ErrorConsole() : environment.Console())
            : new PlainDisplay(writer, environment.Time);
        return new RunConsole(display, NextStep.After(folder, corpus, environment.Command));
    }
}
