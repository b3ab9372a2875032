namespace Cluster.Inference.Scheduling;

/// <summary>Too many requests wait already: ask again later, or elsewhere.</summary>
public sealed class QueueFullException(int waiting, int most)
    : Exception($"{waiting} requests are waiting and at most {most} may: try again later")
{
    /// <summary>Requests that wait.</summary>
    public int Waiting => waiting;

    /// <summary>The limit.</summary>
    public int Most => most;
}
