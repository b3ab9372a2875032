// Enters: what replicas say, one by one. Leaves: all of it as one message. Does not know: when it is sent, or whether it arrives.
using Cluster.Collectives.Protocol;
using Cluster.Contracts.Training;

namespace Cluster.Silo.Training;

/// <summary>
/// What replicas of one silo have to tell their coordinator. What a replica says again, or says newer things of the same kind, takes
/// the place of what it said before: however long the coordinator is away, there is at most one of each kind from each replica.
/// </summary>
internal sealed class Outbox
{
    private readonly Dictionary<(string Member, Type Kind), object> _said = [];

    /// <summary>Whether there is nothing to tell.</summary>
    public bool IsEmpty => _said.Count == 0;

    /// <summary>Adds one of the Send actions.</summary>
    public void Add(ReplicaAction message) => Add(message switch
    {
        ReplicaAction.SendJoin send => (send.Join.Member.Id, send.Join),
        ReplicaAction.SendReady send => (send.Ready.Member, send.Ready),
        ReplicaAction.SendReport send => (send.Report.Member.Id, send.Report),
        ReplicaAction.SendJoined send => (send.Joined.Member, send.Joined),
        ReplicaAction.SendCopyFailed send => (send.Failed.Member, send.Failed),
        ReplicaAction.SendPeerLost send => (send.Lost.Reporter, send.Lost),
        ReplicaAction.SendMomentsMissing send => (send.Missing.Member, send.Missing),
        ReplicaAction.SendPresence send => (send.Presence.Member, send.Presence),
        _ => throw new ArgumentException($"{message} is no message.", nameof(message)),
    });

    /// <summary>A replica cannot go on.</summary>
    public void Add(FailedMessage failed) => Add((failed.Member, failed));

    /// <summary>Takes everything out.</summary>
    public HeardMessage Take()
    {
        var heard = new HeardMessage
        {
            Joins = [.. Of<Join>().Select(WireMessages.ToMessage)],
            Ready = [.. Of<Ready>().GroupBy(r => (r.Term, r.Generation, r.Step, r.GradientHash, r.GradientNorm, r.ParametersHash)).Select(WireMessages.ToMessage)],
            Reports = [.. Of<Report>().Select(WireMessages.ToMessage)],
            Joined = [.. Of<Joined>().Select(WireMessages.ToMessage)],
            CopiesFailed = [.. Of<CopyFailed>().Select(WireMessages.ToMessage)],
            PeersLost = [.. Of<PeerLost>().Select(WireMessages.ToMessage)],
            MomentsMissing = [.. Of<MomentsMissing>().Select(WireMessages.ToMessage)],
            Present = [.. Of<Presence>().Select(WireMessages.ToMessage)],
            Failed = [.. Of<FailedMessage>()],
        };
        _said.Clear();
        return heard;
    }

    private IEnumerable<T> Of<T>() => _said.Values.OfType<T>();

    private void Add((string Member, object Said) one) => _said[(one.Member, one.Said.GetType())] = one.Said;
}
