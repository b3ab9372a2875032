// Enters: the ledgers of a job. Leaves: whether every lane counted once, and how soon the next step was committed after each fault.
// Does not know: files, how faults came about.
using Cluster.Core.Faults;

namespace Cluster.Silo.Faults;

/// <summary>A fault that happened.</summary>
/// <param name="Fault">As it was armed.</param>
/// <param name="Member">To whom.</param>
/// <param name="Step">At which step.</param>
/// <param name="RecoverySeconds">Until the next COMMIT was known to somebody; null if none followed.</param>
public sealed record InjectedFault(Fault Fault, string Member, long Step, double? RecoverySeconds);

/// <summary>What the ledgers of a job come to.</summary>
/// <param name="LanesComputed">Lane gradients, by all lives of all replicas.</param>
/// <param name="LanesLost">Those of replicas that were gone before the step was committed, computed again by others.</param>
/// <param name="SamplesLost">Lanes of a committed step that nobody computed.</param>
/// <param name="SamplesRepeated">Lanes that more than one replica which applied the step had computed, and steps that one life applied twice.</param>
/// <param name="Faults">In the order of time.</param>
/// <param name="StepSeconds">Median time from COMMIT to COMMIT.</param>
/// <param name="Goodput">Share of the time from the first COMMIT to the last in which steps were made at that pace.</param>
public sealed record LedgerReport(
    long LanesComputed, long LanesLost, long SamplesLost, long SamplesRepeated, IReadOnlyList<InjectedFault> Faults, double StepSeconds, double Goodput)
{
    /// <summary>Adds a job's ledgers up.</summary>
    /// <param name="entries">Of all silos, in any order.</param>
    /// <param name="steps">Steps that the job was to do, from step 0.</param>
    /// <param name="lanes">Lanes of a step.</param>
    public static LedgerReport Of(IReadOnlyList<LedgerEntry> entries, long steps, int lanes)
    {
        var applied = entries.Where(e => e.Event == LedgerEvent.Applied).Select(e => (e.Member, e.Step)).ToList();
        var appliers = applied.ToHashSet();
        var repeated = (long)applied.Count - appliers.Count;
        var computed = entries.Where(e => e.Event == LedgerEvent.Computed).ToLookup(e => (e.Step, e.Lane!.Value), e => e.Member);
        long missing = 0, lost = 0;
        for (var step = 0L; step < steps; step++)
        {
            for (var lane = 0; lane < lanes; lane++)
            {
                var by = computed[(step, lane)].ToList();
                var kept = by.Count(member => appliers.Contains((member, step)));
                missing += by.Count == 0 ? 1 : 0;
                repeated += Math.Max(0, kept - 1);
                // Whoever was killed after the COMMIT has not applied it, though its lanes are in it.
                lost += by.Count - kept - (kept == 0 && by.Count > 0 ? 1 : 0);
            }
        }

        var commits = entries.Where(e => e.Event == LedgerEvent.Committed).GroupBy(e => e.Step)
            .Select(group => (Step: group.Key, Seconds: group.Min(e => e.Seconds))).OrderBy(commit => commit.Step).ToList();
        var faults = entries.Where(e => e.Event == LedgerEvent.Fault).OrderBy(e => e.Seconds).Select(e =>
        {
            var next = e.Fault!.Phase < StepPhase.Commit ? e.Step : e.Step + 1;
            var after = commits.Find(commit => commit.Step >= next && commit.Seconds > e.Seconds);
            return new InjectedFault(e.Fault, e.Member, e.Step, after == default ? null : after.Seconds - e.Seconds);
        }).ToList();
        var paces = commits.Zip(commits.Skip(1), (a, b) => b.Seconds - a.Seconds).Order().ToList();
        var pace = paces.Count == 0 ? 0 : paces[paces.Count / 2];
        var whole = commits.Count < 2 ? 0 : commits[^1].Seconds - commits[0].Seconds;
        return new LedgerReport(
            entries.Count(e => e.Event == LedgerEvent.Computed), lost, missing, repeated, faults, pace, whole > 0 ? Math.Min(1, paces.Count * pace / whole) : 1);
    }
}
