using Cluster.Contracts.Runs;
using Orleans.Placement;

namespace Cluster.Silo.Runs;

/// <summary>The names of the runs that reported, in memory only. A run that reports for the first time again moves to the front.</summary>
[KeepAlive, Immovable]
public sealed class RunIndexGrain : Grain, IRunIndexGrain
{
    private readonly List<string> _oldestFirst = [];

    /// <inheritdoc/>
    public Task AddAsync(string run)
    {
        _oldestFirst.Remove(run);
        _oldestFirst.Add(run);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task<IReadOnlyList<string>> ListAsync() => Task.FromResult<IReadOnlyList<string>>([.. Enumerable.Reverse(_oldestFirst)]);
}
