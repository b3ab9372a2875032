namespace Cluster.Silo.Hosting;

/// <summary>
/// What calls that answer "when something has changed" wait for, within a grain's turns. They answer after a second even so: an
/// activation that the directory has given up, as it does when the silo with its entry dies, goes on working until it has no call left
/// to answer, and until then every message to its successor waits with it.
/// </summary>
internal sealed class LongPoll
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(1);
    private TaskCompletionSource _changed = New();

    /// <summary>Completes at the next <see cref="Changed"/>.</summary>
    public Task Next => Volatile.Read(ref _changed).Task;

    /// <summary>Something has changed. From any thread.</summary>
    public void Changed() => Interlocked.Exchange(ref _changed, New()).TrySetResult();

    /// <summary>Waits, a second at most, until something holds.</summary>
    /// <param name="holds">Looked at first, and at every change.</param>
    public async Task UntilAsync(Func<bool> holds)
    {
        using var limit = new CancellationTokenSource(s_limit);
        while (!holds() && !limit.IsCancellationRequested)
            await NextAsync(limit.Token);
    }

    /// <summary>Waits for the next change, or until it is given up, which throws nothing.</summary>
    public async Task NextAsync(CancellationToken limit) =>
        await Next.WaitAsync(limit).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);

    private static TaskCompletionSource New() => new(TaskCreationOptions.RunContinuationsAsynchronously);
}
