namespace Cluster.Silo.Inference;

/// <summary>How many workers a pool has. Enters: queues and the time. Leaves: a number that moves by one at a time. One thread at a time.</summary>
/// <param name="options">Limits.</param>
/// <param name="time">Clock of <see cref="InferenceOptions.Idle"/>.</param>
internal sealed class PoolScale(InferenceOptions options, TimeProvider time)
{
    private long _busy = time.GetTimestamp();

    /// <summary>Workers that requests are spread over, if there are places for so many.</summary>
    public int Workers { get; private set; } = options.MinWorkers;

    /// <summary>Looks at the workers' queues.</summary>
    /// <param name="workers">Those that requests go to now.</param>
    /// <param name="places">Workers that the silos have room for.</param>
    /// <returns>Whether a worker is to be added.</returns>
    public bool Look(IReadOnlyList<Candidate> workers, int places)
    {
        var waiting = workers.Sum(worker => worker.Waiting);
        if (waiting + workers.Sum(worker => (worker.Load?.Running ?? 0) + worker.Assigned) > 0)
            _busy = time.GetTimestamp();
        // One that is still being loaded may be all that is missing.
        if (waiting > options.ScaleUpWaiting * Math.Max(1, workers.Count) && workers.All(worker => worker.Ready)
            && Workers < Math.Min(options.MaxWorkers, places))
        {
            Workers++;
            return true;
        }

        if (Workers > options.MinWorkers && time.GetElapsedTime(_busy) >= options.Idle)
        {
            Workers--;
            _busy = time.GetTimestamp();
        }

        return false;
    }
}
