using Cluster.Collectives.Protocol;
using Cluster.Contracts.Training;

namespace Cluster.Silo.Training;

/// <summary>One life of a replica on this silo. Messages come from any thread and are handled in their order, later.</summary>
internal interface ILocalReplica : IAsyncDisposable
{
    /// <summary>Who it is.</summary>
    Member Member { get; }

    /// <summary>What it works on.</summary>
    TrainingJob Job { get; }

    /// <summary>Whether it works on that very job: not on an earlier one of the same stage.</summary>
    bool WorksOn(TrainingJob job) => Job.Key == job.Key && Job.Secret.AsSpan().SequenceEqual(job.Secret);

    /// <summary>Handles a BEGIN; one that does not name this replica is for an earlier life of its key.</summary>
    void Post(BeginStep begin);

    /// <summary>Handles a COMMIT.</summary>
    void Post(Commit commit);

    /// <summary>Handles a QUERY.</summary>
    void Post(Query query);

    /// <summary>Handles a COPY.</summary>
    void Post(CopyState copy);

    /// <summary>Handles an eviction.</summary>
    void Post(Evicted evicted);

    /// <summary>Handles a refusal.</summary>
    void Refused(string reason);
}
