using Cluster.Collectives.Protocol;

namespace Cluster.Collectives.Simulation;

/// <summary>Messages and actions in the words of a trace.</summary>
internal static class TraceWords
{
    public static string Of(object message) => message switch
    {
        Join m => $"JOIN with {m.Steps} steps {Fence(m.Term, m.Generation)}",
        Ready m => $"READY step {m.Step} {Fence(m.Term, m.Generation)}",
        Report m => $"REPORT {m.Applied} steps, holds {m.Held} {Fence(m.Term, m.Generation)}",
        Joined m => $"JOINED with {m.Steps} steps",
        CopyFailed m => $"COPY FAILED from {m.Donor}: {m.Reason}",
        PeerLost m => $"PEER LOST {m.Lost} {Fence(m.Term, m.Generation)}: {m.Reason}",
        MomentsMissing m => $"MOMENTS MISSING of slice {m.Slice} {Fence(m.Term, m.Generation)}",
        Presence m => $"PRESENCE {Fence(m.Term, m.Generation)}",
        BeginStep m => $"BEGIN step {m.Step} {Fence(m.Term, m.Generation)} {Names(m.Members)} lanes {m.Assignment}",
        Commit m => $"COMMIT of {m.Record.Steps} steps {Fence(m.Term, m.Generation)}",
        Query m => $"QUERY, committed {m.Committed.Steps} {Fence(m.Term, m.Generation)}",
        CopyState m => $"COPY {m.Committed.Steps} steps from {m.Donor.Id} {Fence(m.Term, m.Generation)}",
        Evicted m => $"EVICTED {Fence(m.Term, m.Generation)}",
        CoordinatorRecord m => $"term {Term.Count(m.Term)} revision {m.Revision}, {m.Committed.Steps} of {m.LastStep} steps, {Names(m.Members)}",
        StepCoordinator m => $"term {Term.Count(m.CurrentTerm)} generation {m.Generation}, {m.Committed.Steps} of {m.LastStep} steps, members {Names(m.Members)}, "
            + $"awaits {string.Join(' ', m.Awaited)}{(m.StoreIsOut ? ", the store is out" : "")}",
        string reason => $"REFUSED: {reason}",
        _ => message.ToString()!,
    };

    /// <summary>What is decided besides messages, which have lines of their own; null for those.</summary>
    public static string? Of(CoordinatorAction action) => action switch
    {
        CoordinatorAction.ReadStore a => $"reads the store: {a.Reason}",
        CoordinatorAction.Committed a => $"step {a.Record.Steps - 1} is committed",
        CoordinatorAction.Refuse a => $"refuses {a.Member.Id}: {a.Reason}",
        CoordinatorAction.Probe a => $"probes {a.Member.Id}",
        CoordinatorAction.DeclareDead a => $"has {a.Member.Id} declared dead",
        CoordinatorAction.Released a => $"releases {a.Member}",
        CoordinatorAction.DrainRefused a => $"does not release {a.Member}",
        CoordinatorAction.Finished a => $"rests at {a.Steps} steps",
        CoordinatorAction.Stop a => $"stops: {a.Reason}",
        CoordinatorAction.Deactivate a => $"goes silent: {a.Reason}",
        _ => null,
    };

    private static string Names(IReadOnlyList<Member> members) => string.Join(' ', members.Select(m => m.Id));

    private static string Fence(long term, long generation) => $"({Term.Count(term)}, {generation})";
}
