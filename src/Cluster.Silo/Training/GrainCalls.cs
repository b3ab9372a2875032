using Cluster.Contracts.Training;

namespace Cluster.Silo.Training;

/// <summary>
/// Calls to grains that may be moving: while an activation goes to another silo calls fail fast, and those that may be heard twice
/// are made again. A grain's next attempts are made in its turns too, where its calls may look at it.
/// </summary>
internal static class GrainCalls
{
    private const int MaxAttempts = 8;
    private static readonly TimeSpan s_probeLimit = TimeSpan.FromSeconds(1.5);

    /// <summary>The call's answer, after at most eight attempts within about 25 seconds.</summary>
    public static async Task<T> RetryAsync<T>(Func<Task<T>> call, CancellationToken cancellation, Action<int, Exception>? failed = null)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await call();
            }
            catch (Exception error) when (error is OrleansException or TimeoutException && attempt < MaxAttempts)
            {
                failed?.Invoke(attempt, error);
                await Task.Delay(TimeSpan.FromMilliseconds(50 << attempt), cancellation);
            }
        }
    }

    /// <inheritdoc cref="RetryAsync{T}"/>
    public static Task RetryAsync(Func<Task> call, CancellationToken cancellation, Action<int, Exception>? failed = null) => RetryAsync(async () =>
    {
        await call();
        return true;
    }, cancellation, failed);

    /// <summary>Asks a replica's silo whether it has that life of the replica.</summary>
    /// <returns>Its answer; null, and why, where there was none within a limit.</returns>
    public static async Task<(bool? IsThere, string? Failure)> ProbeAsync(IReplicaGrain replica, string member)
    {
        try
        {
            return (await replica.IsThereAsync(member).WaitAsync(s_probeLimit), null);
        }
        catch (Exception error)
        {
            return (null, error.Message);
        }
    }

    /// <summary>Whether a call that is answered at once by whoever lives is answered within a limit.</summary>
    public static async Task<bool> IsAnsweredAsync(Task call)
    {
        try
        {
            await call.WaitAsync(s_probeLimit);
            return true;
        }
        catch (Exception)
        {
            return false;
        }
    }
}
