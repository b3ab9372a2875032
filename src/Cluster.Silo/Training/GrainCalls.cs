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

    /// <summary>Why a call that is answered at once by whoever lives was not answered within a limit; null where it was.</summary>
    public static async Task<string?> FailureAsync(Task call)
    {
        try
        {
            await call.WaitAsync(s_probeLimit);
            return null;
        }
        catch (Exception error)
        {
            return error.Message;
        }
    }
}
