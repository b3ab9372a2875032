// Enters and leaves: what is known of a cluster on this machine. Does not know: how it is run.

using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Runs;

namespace Cluster.Cli.Hosting.Local;

/// <summary>A cluster that <c>up</c> runs on this machine, as other commands find it.</summary>
public sealed record ClusterState
{
    /// <summary>Names the membership; another for each life of a cluster.</summary>
    public required string ClusterId { get; init; }

    /// <summary>Names the grain storage; another for each life of a cluster, since across restarts the run folders alone count.</summary>
    public required string ServiceId { get; init; }

    /// <summary>Connection string of the store.</summary>
    public required string Store { get; init; }

    /// <summary>Absolute path of the folder of runs.</summary>
    public required string RunsPath { get; init; }

    /// <summary>Where the page is, as soon as it is served.</summary>
    public string? Web { get; init; }

    /// <summary>The Unix domain socket at which the supervisor takes requests.</summary>
    public required string Control { get; init; }

    /// <summary>The process that runs all others.</summary>
    public required ProcessIdentity Supervisor { get; init; }

    /// <summary>Threads of a replica that the user asked for, or null for the recipe's.</summary>
    public int? ThreadsPerReplica { get; init; }

    /// <summary>Folder of the silos' ledgers where faults may be injected, or null.</summary>
    public string? Faults { get; init; }

    /// <summary>The silos that run, in the order of their start.</summary>
    public IReadOnlyList<LocalProcess> Silos { get; init; } = [];

    /// <summary>Store (unless it is another's) and web.</summary>
    public IReadOnlyList<LocalProcess> Others { get; init; } = [];
}

/// <summary>A process of a cluster on this machine.</summary>
public sealed record LocalProcess
{
    /// <summary>Its name, which for a silo is the silo's.</summary>
    public required string Name { get; init; }

    /// <summary>The process.</summary>
    public required ProcessIdentity Process { get; init; }

    /// <summary>Port that it listens on: a silo's for other silos; 0 while it still chooses.</summary>
    public required int Port { get; init; }

    /// <summary>A silo's port for clients.</summary>
    public int? GatewayPort { get; init; }

    /// <summary>Where a silo serves its health and metrics, once it is up.</summary>
    public string? Http { get; init; }

    /// <summary>When it was started.</summary>
    public required DateTimeOffset Started { get; init; }

    /// <summary>Its log.</summary>
    public required string Log { get; init; }
}

/// <summary>The folder that a cluster on this machine keeps its files in: <c>.cluster</c> in the folder of runs.</summary>
public sealed class ClusterFolder
{
    private const string Name = ".cluster";

    /// <param name="runs">The folder of runs.</param>
    public ClusterFolder(string runs)
    {
        Runs = System.IO.Path.GetFullPath(runs);
        Path = System.IO.Path.Combine(Runs, Name);
    }

    /// <summary>Absolute path of the folder of runs.</summary>
    public string Runs { get; }

    /// <summary>Absolute path.</summary>
    public string Path { get; }

    /// <summary>Held open by the supervisor.</summary>
    public string Lock => System.IO.Path.Combine(Path, "lock");

    /// <summary>Data of the store.</summary>
    public string Store => System.IO.Path.Combine(Path, "store");

    /// <summary>Ledgers of silos that faults may be injected into.</summary>
    public string Faults => System.IO.Path.Combine(Path, "faults");

    /// <summary>Where the processes serve their metrics, for Prometheus (file_sd).</summary>
    public string MetricsTargets => System.IO.Path.Combine(Path, "prometheus-targets.json");

    private string State => System.IO.Path.Combine(Path, "state.json");

    /// <summary>Log of a process.</summary>
    public string Log(string name) => System.IO.Path.Combine(Path, "logs", name + ".log");

    /// <summary>Makes the folder, for this user's eyes only.</summary>
    public void Create()
    {
        if (OperatingSystem.IsWindows())
            Directory.CreateDirectory(Path);
        else
            Directory.CreateDirectory(Path, UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        Directory.CreateDirectory(System.IO.Path.Combine(Path, "logs"));
    }

    /// <summary>Writes the state for others to see.</summary>
    public void Write(ClusterState state) => AtomicWrite.AllText(State, RunJson.Document(state));

    /// <summary>Tells Prometheus whom to ask.</summary>
    public void Write(IReadOnlyList<MetricsTarget> targets) => AtomicWrite.AllText(MetricsTargets, RunJson.Document(targets));

    /// <summary>Says that there is no cluster any more.</summary>
    public void Clear()
    {
        File.Delete(MetricsTargets);
        File.Delete(State);
    }

    /// <summary>What was written last, whether or not that cluster still runs; null if nothing was.</summary>
    /// <exception cref="UserErrorException">It is damaged.</exception>
    public ClusterState? Last()
    {
        try
        {
            return RunJson.Parse<ClusterState>(File.ReadAllText(State), State);
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    /// <summary>The cluster that runs here.</summary>
    /// <param name="command">How the user calls this program.</param>
    /// <exception cref="UserErrorException">None does.</exception>
    public ClusterState Running(string command)
    {
        var remedy = $"Start one with `{command} up --silos 2`, or give its folder of runs as --runs.";
        if (Last() is not { } state)
            throw new UserErrorException($"No cluster runs in {Runs}.", remedy);
        return state.Supervisor.IsAlive()
            ? state
            : throw new UserErrorException($"The cluster in {Runs} runs no more: its process {state.Supervisor.Pid} is gone.", remedy);
    }
}
