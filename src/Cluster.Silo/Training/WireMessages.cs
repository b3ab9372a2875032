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
        begin.Term, begin.Generation, begin.Step, [.. begin.Members.Select(m => new MemberMessage(m.Id, m.Address))],
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

        return new BeginStep(begin.Term, begin.Generation, begin.Step, [.. begin.Members.Select(m => new Member(m.Id, m.Address))], new LaneAssignment(ranges),
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

    public static JoinMessage ToMessage(this Join join) => new(
        new MemberMessage(join.Member.Id, join.Member.Address), join.Steps, join.StateHash, join.Identity.Fingerprint,
        join.Identity.Run);

    public static Join ToRecord(this JoinMessage join) => new(
        new Member(join.Member.Id, join.Member.Address), join.Steps, join.StateHash, new RunIdentity(join.Run, Fingerprint: join.Fingerprint));

    public static BatchMessage ToMessage(this MicroBatch batch) => new(batch.Tokens, batch.Targets, batch.Mask, batch.Context);

    public static MicroBatch ToRecord(this BatchMessage batch) => new(batch.Tokens, batch.Targets, batch.Mask, batch.Context);
}
