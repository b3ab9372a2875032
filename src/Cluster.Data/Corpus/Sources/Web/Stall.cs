namespace Cluster.Data.Corpus.Sources.Web;

/// <summary>Work that a server may only hold up for so long.</summary>
internal static class Stall
{
    /// <exception cref="TimeoutException">It took longer than <paramref name="limit"/>.</exception>
    public static async Task<T> WithinAsync<T>(Func<CancellationToken, Task<T>> work, TimeSpan limit, TimeProvider time, CancellationToken cancellation)
    {
        using var stall = new CancellationTokenSource(limit, time);
        using var either = CancellationTokenSource.CreateLinkedTokenSource(stall.Token, cancellation);
        try
        {
            return await work(either.Token);
        }
        catch (OperationCanceledException) when (stall.IsCancellationRequested && !cancellation.IsCancellationRequested)
        {
            throw new TimeoutException("the server sent nothing in time");
        }
    }
}
