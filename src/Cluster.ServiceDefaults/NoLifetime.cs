using Microsoft.Extensions.Hosting;

namespace Cluster.ServiceDefaults;

/// <summary>Of a host within a process whose end is another's to decide: signals are not its own.</summary>
public sealed class NoLifetime : IHostLifetime
{
    /// <inheritdoc/>
    public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
}
