using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Model.Training;

namespace Cluster.Silo.Training;

/// <summary>Between the protocol's records and the messages that cross grain calls.</summary>
internal static class WireMessages
{
    public static BeginStepMessage ToMessage(this BeginStep begin) => new(
        begin.Term, begin.Generation, begin.Step, [.. begin.Members.Select(ToMessage)],
        [.. begin.Assignment.Ranges.Select(r => r.Count)], begin.Committed.ToMessage());

    public static BeginStep ToRecord(this BeginStepMessage begin)
    {
        var start = 0;
        var ranges = new List<LaneRange>();
        foreach (var count in begin.LaneCounts)
        {
            ranges.Add(new LaneRange(start, count));
            start += count;
        }

        return new BeginStep(begin.Term, begin.Generation, begin.Step, [.. begin.Members.Select(ToRecord)], new LaneAssignment(ranges),
            begin.Committed.ToRecord());
    }

    public static OutcomeMessage ToMessage(this CommitRecord record) =>
        new(record.Term, record.GradientHash, new StepResult(record.Steps, record.Loss, record.GradientNorm));

    public static CommitRecord ToRecord(this OutcomeMessage outcome) =>
        new(outcome.Term, outcome.Result.Steps, outcome.GradientHash, outcome.Result.Loss, outcome.Result.GradientNorm);

    public static CommitMessage ToMessage(this Commit commit) => new(commit.Term, commit.Generation, commit.Record.ToMessage());

    public static Commit ToRecord(this CommitMessage commit) => new(commit.Term, commit.Generation, commit.Committed.ToRecord());

    public static ReadyMessage ToMessage(this Ready ready) => new(
        ready.Member, ready.Term, ready.Generation, ready.Step, ready.GradientHash, ready.Losses, ready.GradientNorm);

    public static Ready ToRecord(this ReadyMessage ready) => new(
        ready.Member, ready.Term, ready.Generation, ready.Step, ready.GradientHash, ready.Losses, ready.GradientNorm);

    public static MemberMessage ToMessage(this Member member) => new(member.Id, member.Address);

    public static Member ToRecord(this MemberMessage member) => new(member.Id, member.Address);

    public static IdentityMessage ToMessage(this RunIdentity identity) =>
        new(identity.Run, identity.Version, identity.Recipe, identity.Model, identity.Fingerprint);

    public static RunIdentity ToRecord(this IdentityMessage identity) =>
        new(identity.Run, identity.Version, identity.Recipe, identity.Model, identity.Fingerprint);

    public static JoinMessage ToMessage(this Join join) =>
        new(join.Member.ToMessage(), join.Steps, join.StateHash, join.Identity.ToMessage(), join.Term, join.Generation);

    public static Join ToRecord(this JoinMessage join) =>
        new(join.Member.ToRecord(), join.Steps, join.StateHash, join.Identity.ToRecord(), join.Term, join.Generation);

    public static QueryMessage ToMessage(this Query query) => new(query.Term, query.Generation, query.Committed.ToMessage());

    public static Query ToRecord(this QueryMessage query) => new(query.Term, query.Generation, query.Committed.ToRecord());

    public static ReportMessage ToMessage(this Report report) => new(report.Member.ToMessage(), report.Term, report.Generation, report.Applied,
        report.Last?.ToMessage(), report.Held.Start, report.Held.Count, report.StateHash);

    public static Report ToRecord(this ReportMessage report) => new(report.Member.ToRecord(), report.Term, report.Generation, report.Applied,
        report.Last?.ToRecord(), new LaneRange(report.FirstHeld, report.Held), report.StateHash);

    public static CopyStateMessage ToMessage(this CopyState copy) =>
        new(copy.Term, copy.Generation, copy.Donor.ToMessage(), copy.Committed.ToMessage(), copy.StateHash);

    public static CopyState ToRecord(this CopyStateMessage copy) =>
        new(copy.Term, copy.Generation, copy.Donor.ToRecord(), copy.Committed.ToRecord(), copy.StateHash);

    public static JoinedMessage ToMessage(this Joined joined) => new(joined.Member, joined.Term, joined.Steps, joined.StateHash);

    public static Joined ToRecord(this JoinedMessage joined) => new(joined.Member, joined.Term, joined.Steps, joined.StateHash);

    public static CopyFailedMessage ToMessage(this CopyFailed failed) => new(failed.Member, failed.Term, failed.Steps, failed.Donor, failed.Reason);

    public static CopyFailed ToRecord(this CopyFailedMessage failed) => new(failed.Member, failed.Term, failed.Steps, failed.Donor, failed.Reason);

    public static PeerLostMessage ToMessage(this PeerLost lost) => new(lost.Reporter, lost.Lost, lost.Term, lost.Generation, lost.Reason);

    public static PeerLost ToRecord(this PeerLostMessage lost) => new(lost.Reporter, lost.Lost, lost.Term, lost.Generation, lost.Reason);

    public static PresenceMessage ToMessage(this Presence presence) => new(presence.Member, presence.Term, presence.Generation);

    public static Presence ToRecord(this PresenceMessage presence) => new(presence.Member, presence.Term, presence.Generation);

    public static EvictedMessage ToMessage(this Evicted evicted) => new(evicted.Term, evicted.Generation, evicted.Committed.ToMessage());

    public static Evicted ToRecord(this EvictedMessage evicted) => new(evicted.Term, evicted.Generation, evicted.Committed.ToRecord());

    public static CoordinatorRecordMessage ToMessage(this CoordinatorRecord record) => new(record.Identity.ToMessage(), record.Term, record.Revision,
        record.Generation, record.Lanes, record.Expected, [.. record.Members.Select(ToMessage)], record.Committed.ToMessage(), record.LastStep,
        record.LostLanes, record.Stopped);

    public static CoordinatorRecord ToRecord(this CoordinatorRecordMessage record) => new(record.Identity.ToRecord(), record.Term, record.Revision,
        record.Generation, record.Lanes, record.Expected, [.. record.Members.Select(ToRecord)], record.Committed.ToRecord(), record.LastStep,
        record.LostLanes, record.Stopped);

    public static BatchMessage ToMessage(this MicroBatch batch) => new(batch.Tokens, batch.Targets, batch.Mask, batch.Context);

    public static MicroBatch ToRecord(this BatchMessage batch) => new(batch.Tokens, batch.Targets, batch.Mask, batch.Context);
}
