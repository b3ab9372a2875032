// Enters: a running cluster. Leaves: its silos and runs, as --json and for a table. Does not know: how it is shown.

using Cluster.Contracts.Runs;
using Cluster.Contracts.Training;
using Cluster.Core.Errors;
using Cluster.Core.Runs;

namespace Cluster.Cli.Hosting.Local;

/// <summary>A silo as its process and as the cluster sees it.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Pid">Its process.</param>
/// <param name="Port">Where other silos reach it.</param>
/// <param name="Http">Where it serves its health and metrics, or null while it starts.</param>
/// <param name="UptimeSeconds">Since its process was started.</param>
/// <param name="Membership">What the others hold it for ("Active", "Joining", …), or null if it is in no table, or nobody could be asked.</param>
public sealed record SiloStatusEntry(string Name, int Pid, int Port, string? Http, double UptimeSeconds, string? Membership);

/// <summary>A run that was reported in the cluster's life.</summary>
/// <param name="Name">The run.</param>
/// <param name="State">running, paused, done, cancelled or failed.</param>
/// <param name="Stage">The stage at hand.</param>
/// <param name="Fraction">Share of the stage done, 0–1.</param>
/// <param name="Message">One line about it.</param>
public sealed record RunStatusEntry(string Name, string State, string Stage, double Fraction, string Message);

/// <summary>A cluster at a glance.</summary>
/// <param name="Runs">Folder of runs.</param>
/// <param name="Web">The page, or null while it starts.</param>
/// <param name="Store">Membership and grain storage.</param>
/// <param name="Silos">In the order of their start.</param>
/// <param name="Work">Its runs, the newest first.</param>
/// <param name="Problem">Why nobody could be asked for membership and runs, or null.</param>
public sealed record ClusterStatus(
    string Runs, string? Web, string Store, IReadOnlyList<SiloStatusEntry> Silos, IReadOnlyList<RunStatusEntry> Work, string? Problem)
{
    /// <summary>Looks at the processes only.</summary>
    public static ClusterStatus Of(ClusterState state, DateTimeOffset now) => new(
        state.RunsPath, state.Web, state.Store,
        [.. state.Silos.Where(silo => silo.Process.IsAlive()).Select(silo =>
            new SiloStatusEntry(silo.Name, silo.Process.Pid, silo.Port, silo.Http, Math.Max(0, (now - silo.Started).TotalSeconds), null))],
        [], null);

    /// <summary>Looks at the processes and asks the cluster; one that does not answer is a status, not an error.</summary>
    public static async Task<ClusterStatus> AskAsync(ClusterState state, DateTimeOffset now, CancellationToken cancellation)
    {
        var status = Of(state, now);
        try
        {
            await using var connection = await ClusterConnection.OpenAsync(state, cancellation);
            var members = await connection.Grains.GetGrain<IManagementGrain>(0).GetDetailedHosts();
            // A name may have had earlier lives; the table keeps them for a while.
            var latest = members.GroupBy(member => member.SiloName, StringComparer.Ordinal)
                .ToDictionary(group => group.Key, group => group.MaxBy(member => member.StartTime)!.Status.ToString(), StringComparer.Ordinal);
            var runs = new List<RunStatusEntry>();
            foreach (var name in await connection.Grains.GetGrain<IRunIndexGrain>(IRunIndexGrain.Key).ListAsync())
            {
                if (await connection.Grains.GetGrain<IRunGrain>(name).GetStatusAsync() is { } run)
                    runs.Add(new RunStatusEntry(run.Run, await StateAsync(connection, run), run.Stage, run.Fraction, run.Message));
            }

            return status with
            {
                Silos = [.. status.Silos.Select(silo => silo with { Membership = latest.GetValueOrDefault(silo.Name) })],
                Work = runs,
            };
        }
        catch (Exception error) when (error is UserErrorException or OrleansException or TimeoutException)
        {
            return status with { Problem = error.Message };
        }
    }

    /// <summary>A run that works may wait in a stage of training: that stage knows.</summary>
    private static async Task<string> StateAsync(ClusterConnection connection, RunStatus run) =>
        run is { State: "running", Stage: StageNames.Pretraining or StageNames.FineTuning }
        && await connection.Grains.GetGrain<ITrainingRunGrain>(TrainingJob.KeyOf(run.Run, run.Stage)).GetStatusAsync() is { State: "paused" }
            ? "paused" : run.State;
}
