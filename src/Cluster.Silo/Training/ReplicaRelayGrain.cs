// Enters: the coordinator's messages to replicas of this silo. Leaves: the same to each of them. Keeps: the plan that steps are begun by.
using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Contracts.Training;
using Cluster.Silo.Hosting;
using Orleans.Concurrency;
using Orleans.Placement;

namespace Cluster.Silo.Training;

/// <inheritdoc cref="IReplicaRelayGrain"/>
[KeepAlive, Immovable, SiloNamePlacement, Reentrant]
public sealed class ReplicaRelayGrain(LocalReplicas local) : Grain, IReplicaRelayGrain
{
    private ReplicaKey _key;
    private byte[]? _secret;
    private (PlanMessage Message, Roster Members, LaneAssignment Assignment)? _plan;

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _key = ReplicaKey.Parse(this.GetPrimaryKeyString());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StartAsync(TrainingJob job, int[] slots)
    {
        // Another job under the same key may have begun its terms anew.
        if (_secret is null || !_secret.AsSpan().SequenceEqual(job.Secret))
            (_secret, _plan) = (job.Secret, null);
        foreach (var slot in slots)
            await local.StartAsync(KeyOf(slot), job);
    }

    /// <inheritdoc/>
    public Task<bool> BeginAsync(BeginStepMessage begin, int[] slots)
    {
        // Messages overtake each other: an earlier plan than the one that is here is of no more use.
        if (begin.Plan is { } plan && (_plan is not { } known || (plan.Term, plan.Number).CompareTo((known.Message.Term, known.Message.Number)) > 0))
            _plan = (plan, plan.ToRoster(), plan.ToAssignment());
        if (_plan is not { } here || (here.Message.Term, here.Message.Number) != (begin.Term, begin.PlanNumber))
            return Task.FromResult(false);
        var record = new BeginStep(begin.Term, begin.Generation, begin.Step, here.Members, here.Assignment, begin.Committed.ToRecord());
        return Tell(slots, replica => replica.Post(record));
    }

    /// <inheritdoc/>
    public Task CommitAsync(CommitMessage commit, int[] slots)
    {
        var record = commit.ToRecord();
        return Tell(slots, replica => replica.Post(record));
    }

    /// <inheritdoc/>
    public Task QueryAsync(QueryMessage query, int[] slots)
    {
        var record = query.ToRecord();
        return Tell(slots, replica => replica.Post(record));
    }

    /// <inheritdoc/>
    public Task EvictedAsync(EvictedMessage evicted, int[] slots)
    {
        var record = evicted.ToRecord();
        return Tell(slots, replica => replica.Post(record));
    }

    /// <inheritdoc/>
    public Task CopyAsync(CopyStateMessage copy, int slot) => Tell([slot], replica => replica.Post(copy.ToRecord()));

    /// <inheritdoc/>
    public Task RefusedAsync(string member, string reason) => Tell([ReplicaKey.Parse(ReplicaKey.OfMember(member)).Slot], replica =>
    {
        if (replica.Member.Id == member)
            replica.Refused(reason);
    });

    private string KeyOf(int slot) => (_key with { Slot = slot }).ToString();

    /// <summary>What is said to a replica that is not here any more concerns nobody.</summary>
    private Task<bool> Tell(int[] slots, Action<ILocalReplica> say)
    {
        foreach (var slot in slots)
        {
            if (local.Find(KeyOf(slot)) is { } replica)
                say(replica);
        }

        return Task.FromResult(true);
    }
}
