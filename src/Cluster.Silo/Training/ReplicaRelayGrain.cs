// Enters: the coordinator's messages to replicas of this silo. Leaves: the same to each of them. Keeps: the plan that steps are begun by.
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
    private HeldPlan _plan = new();

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
            (_secret, _plan) = (job.Secret, new HeldPlan());
        foreach (var slot in slots)
            await local.StartAsync(KeyOf(slot), job);
    }

    /// <inheritdoc/>
    public Task<bool> BeginAsync(BeginStepMessage begin, int[] slots) =>
        _plan.Begin(begin) is { } record ? Tell(slots, replica => replica.Post(record)) : Task.FromResult(false);

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
