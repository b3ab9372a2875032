using System.CommandLine;
using Cluster.Cli.Diagnostics;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Cli.Rendering;
using Cluster.Core.Errors;

namespace Cluster.Cli.Verbs;

/// <summary><c>up</c>: a cluster of processes on this machine, until Ctrl-C.</summary>
public static class UpVerb
{
    private const int MostSilos = 64, MostThreads = 256;

    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var silos = new Option<int>("--silos") { Description = $"Silos to start, 1 to {MostSilos}.", HelpName = "N", DefaultValueFactory = _ => 2 };
        var threads = new Option<int?>("--threads-per-replica")
        {
            Description = "Threads of a replica; the recipe's if not given. Other numbers give other bits.",
            HelpName = "T",
        };
        var redis = new Option<string?>("--redis")
        {
            Description = "A Redis or Valkey to keep membership and grain storage in; a store of the cluster's own if not given.",
            HelpName = "HOST:PORT",
        };
        var runs = Options.Runs();
        var webPort = Options.WebPort();
        var restart = new Option<bool>("--restart") { Description = "Start a silo that dies again, under its name." };
        var faults = new Option<bool>("--faults") { Description = "Let `silo fault` have things go wrong at chosen places; for tests." };
        var command = new Command("up", "Start silos, store and page on this machine, until Ctrl-C.") { silos, threads, redis, runs, webPort, restart, faults };
        command.SetAction((parsed, _) =>
        {
            Options.Check("--silos", parsed.GetValue(silos), 1, MostSilos);
            Options.Check("--threads-per-replica", parsed.GetValue(threads), 1, MostThreads);
            Options.Check("--web-port", parsed.GetValue(webPort), 1, 65_535);
            if (parsed.GetValue(webPort) is { } port && !Doctor.IsPortFree(port))
                throw new UserErrorException($"--web-port {port} is in use.", "Give another port, or leave the option out to take a free one.");
            return RunAsync(environment, new LocalClusterOptions
            {
                Runs = parsed.GetRequiredValue(runs),
                Silos = parsed.GetValue(silos),
                ThreadsPerReplica = parsed.GetValue(threads),
                Redis = parsed.GetValue(redis),
                WebPort = parsed.GetValue(webPort),
                Restart = parsed.GetValue(restart),
                Faults = parsed.GetValue(faults),
            });
        });
        return command;
    }

    private static async Task<int> RunAsync(CliEnvironment environment, LocalClusterOptions options)
    {
        var output = new TaggedOutput(environment.Output, environment.OutputIsTerminal);
        var stop = environment.Interrupts.Listen();
        await using var cluster = await LocalCluster.StartAsync(options, output.Write, stop);
        Welcome(cluster.State, options, environment, line => output.Write(LocalCluster.Own, line));
        var stopped = new TaskCompletionSource();
        await using var _ = stop.Register(() => stopped.TrySetResult());
        if (await Task.WhenAny(stopped.Task, cluster.Failed) == cluster.Failed)
            throw await cluster.Failed;
        output.Write(LocalCluster.Own, "ending: silos hand over and leave; Ctrl-C again ends at once");
        return 0;
    }

    private static void Welcome(ClusterState state, LocalClusterOptions options, CliEnvironment environment, Action<string> say)
    {
        var command = environment.Command;
        // The working folder's own runs are found without being named.
        var where = state.RunsPath == Path.GetFullPath(RunsVerb.DefaultRoot) ? "" : $" --runs {Quoting.Argument(Paths.ForPeople(state.RunsPath))}";
        var logs = Paths.ForPeople(Path.GetDirectoryName(new ClusterFolder(state.RunsPath).Log(LocalCluster.Own))!);
        var count = state.Silos.Count == 1 ? "1 silo is" : $"{state.Silos.Count} silos are";
        say($"{count} up; runs are in {Paths.ForPeople(state.RunsPath)}, logs in {logs}");
        say($"Watch it: {state.Web}");
        say($"Train: {command} train --recipe demo --cluster{where}");
        say($"Look: {command} status{where}");
        say($"Change: {command} silo add{where} (silo list, silo drain ID, silo kill ID)");
        say($"Ctrl-C ends it{(options.Restart ? "; a silo that dies is started again" : "")}.");
    }
}
