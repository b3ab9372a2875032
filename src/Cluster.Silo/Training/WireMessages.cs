using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Model.Training;

namespace Cluster.Silo.Training;

/// <summary>Between the protocol's records and the messages that cross grain calls.</summary>
internal static class WireMessages
{
    /// <param name="begin">A step.</param>
    /// <param name="plan">Number of the plan that its members and lanes are.</param>
    public static BeginStepMessage ToMessage(this BeginStep begin, long plan) =>
        new(begin.Term, begin.Generation, begin.Step, begin.Committed.ToMessage(), plan, null);

    /// <param name="begin">A step.</param>
    /// <param name="number">That the plan is to have.</param>
    public static PlanMessage ToPlan(this BeginStep begin, long number) =>
        new(begin.Term, number, [.. begin.Members.Select(ToMessage)], [.. begin.Assignment.Ranges.Select(r => r.Count)]);

    public static Roster ToRoster(this PlanMessage plan) => [.. plan.Members.Select(ToRecord)];

    public static LaneAssignment ToAssignment(this PlanMessage plan) => LaneAssignment.InOrder(plan.LaneCounts);

    public static OutcomeMessage ToMessage(this CommitRecord record) =>
        new(record.Term, record.GradientHash, new StepResult(record.Steps, record.Loss, record.GradientNorm));

    public static CommitRecord ToRecord(this OutcomeMessage outcome) =>
        new(outcome.Term, outcome.Result.Steps, outcome.GradientHash, outcome.Result.Loss, outcome.Result.GradientNorm);

    public static CommitMessage ToMessage(this Commit commit) => new(commit.Term, commit.Generation, commit.Record.ToMessage());

    public static Commit ToRecord(this CommitMessage commit) => new(commit.Term, commit.Generation, commit.Committed.ToRecord());

    /// <param name="readies">Of several replicas, equal but for losses and times.</param>
    public static ReadyMessage ToMessage(this IEnumerable<Ready> readies)
    {
        var all = readies.ToArray();
        return new ReadyMessage(
            all[0].Term, all[0].Generation, all[0].Step, all[0].GradientHash, all[0].GradientNorm, [.. all.Select(r => r.Member)],
            [.. all.SelectMany(r => r.Losses)], [.. all.Select(r => r.Losses.Count)], [.. all.Select(r => r.LaneSeconds)], all[0].ParametersHash);
    }

    public static IEnumerable<Ready> ToRecords(this ReadyMessage ready)
    {
        var lane = 0;
        for (var i = 0; i < ready.Members.Count; i++)
        {
            var losses = new ArraySegment<double>(ready.Losses, lane, ready.LaneCounts[i]);
            lane += ready.LaneCounts[i];
            yield return new Ready(
                ready.Members[i], ready.Term, ready.Generation, ready.Step, ready.GradientHash, losses, ready.GradientNorm, ready.LaneSeconds[i], ready.ParametersHash);
        }
    }

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
        report.Last?.ToMessage(), report.Held.Start, report.Held.Count, report.StateHash,
        report.Moments is { } moments ? [.. moments.Ranges.SelectMany(range => (int[])[range.First, range.Count])] : null, report.Moments?.Slices ?? 0);

    public static Report ToRecord(this ReportMessage report) => new(report.Member.ToRecord(), report.Term, report.Generation, report.Applied,
        report.Last?.ToRecord(), new LaneRange(report.FirstHeld, report.Held), report.StateHash,
        report.Moments is { } moments ? new HeldMoments(report.Slices, [.. moments.Chunk(2).Select(range => (range[0], range[1]))]) : null);

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

    public static MomentsMissingMessage ToMessage(this MomentsMissing missing) => new(missing.Member, missing.Term, missing.Generation, missing.Step, missing.Slice);

    public static MomentsMissing ToRecord(this MomentsMissingMessage missing) => new(missing.Member, missing.Term, missing.Generation, missing.Step, missing.Slice);

    public static PresenceMessage ToMessage(this Presence presence) => new(presence.Member, presence.Term, presence.Generation);

    public static Presence ToRecord(this PresenceMessage presence) => new(presence.Member, presence.Term, presence.Generation);

    public static EvictedMessage ToMessage(this Evicted evicted) => new(evicted.Term, evicted.Generation, evicted.Committed.ToMessage());

    public static Evicted ToRecord(this EvictedMessage evicted) => new(evicted.Term, evicted.Generation, evicted.Committed.ToRecord());

    public static CoordinatorRecordMessage ToMessage(this CoordinatorRecord record) => record.ToMessage([.. record.Members.Select(ToMessage)]);

    /// <param name="record">The record.</param>
    /// <param name="members">Its members.</param>
    public static CoordinatorRecordMessage ToMessage(this CoordinatorRecord record, IReadOnlyList<MemberMessage> members) => new(
        record.Identity.ToMessage(), record.Term, record.Revision, record.Generation, record.Lanes, record.Expected, members,
        record.Committed.ToMessage(), record.LastStep, record.LostLanes, record.Stopped, record.Sharded, record.MomentsLost);

    public static CoordinatorRecord ToRecord(this CoordinatorRecordMessage record) => new(record.Identity.ToRecord(), record.Term, record.Revision,
        record.Generation, record.Lanes, record.Expected, [.. record.Members.Select(ToRecord)], record.Committed.ToRecord(), record.LastStep,
        record.LostLanes, record.Stopped, record.Sharded, record.MomentsLost);

    public static BatchMessage ToMessage(this MicroBatch batch) => new(batch.Tokens, batch.Targets, batch.Mask, batch.Context);

    public static MicroBatch ToRecord(this BatchMessage batch) => new(batch.Tokens, batch.Targets, batch.Mask, batch.Context);
}
