using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Contracts.Training;

namespace Cluster.Silo.Training;

/// <summary>Between the protocol's records and the messages that cross grain calls.</summary>
internal static class WireMessages
{
    public static BeginStepMessage ToMessage(this BeginStep begin) => new(
        begin.Term, begin.Generation, begin.Step, [.. begin.Members.Select(m => new MemberMessage(m.Id, m.Address))],
        [.. begin.Assignment.Ranges.Select(r => r.Count)]);

    public static BeginStep ToRecord(this BeginStepMessage begin)
    {
        var start = 0;
        var ranges = new List<LaneRange>();
        foreach (var count in begin.LaneCounts)
        {
            ranges.Add(new LaneRange(start, count));
            start += count;
        }

        return new BeginStep(begin.Term, begin.Generation, begin.Step, [.. begin.Members.Select(m => new Member(m.Id, m.Address))], new LaneAssignment(ranges));
    }

    public static CommitMessage ToMessage(this Commit commit) => new(
        commit.Record.Term, commit.Record.Steps, commit.Record.GradientHash, commit.Record.Loss, commit.Generation, commit.Next?.ToMessage());

    public static Commit ToRecord(this CommitMessage commit) => new(
        new CommitRecord(commit.Term, commit.Steps, commit.GradientHash, commit.Loss), commit.Generation, commit.Next?.ToRecord());

    public static ReadyMessage ToMessage(this Ready ready) => new(ready.Member, ready.Term, ready.Generation, ready.Step, ready.GradientHash, ready.Losses);

    public static Ready ToRecord(this ReadyMessage ready) => new(ready.Member, ready.Term, ready.Generation, ready.Step, ready.GradientHash, ready.Losses);
}
