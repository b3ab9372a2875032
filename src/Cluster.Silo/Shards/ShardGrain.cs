using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Silo.Training;
using Orleans.Placement;

namespace Cluster.Silo.Shards;

/// <summary>What a new activation needs to open the same files.</summary>
[GenerateSerializer]
public sealed record ShardState
{
    /// <summary>The job whose shards these are.</summary>
    [Id(0)]
    public TrainingJob? Job { get; set; }
}

/// <inheritdoc cref="IShardGrain"/>
[KeepAlive, PreferLocalPlacement]
public sealed class ShardGrain([PersistentState("shards")] IPersistentState<ShardState> state) : Grain, IShardGrain
{
    private OpenStage? _stage;

    private IStepSource Source => (_stage ??= new OpenStage(
        state.State.Job ?? throw new InvalidOperationException($"The shards of {this.GetPrimaryKeyString()} are not open."))).Source;

    /// <inheritdoc/>
    public Task OpenAsync(TrainingJob job)
    {
        _stage?.Dispose();
        _stage = new OpenStage(job);
        state.State.Job = job;
        return state.WriteStateAsync();
    }

    /// <inheritdoc/>
    public Task<long> GetTokensAsync(long step) => Task.FromResult(Source.Plan(step).Tokens);

    /// <inheritdoc/>
    public Task<LaneTokens> GetLaneAsync(long step, int lane) =>
        Task.FromResult(new LaneTokens([.. Source.Lane(step, lane).Select(b => b.ToMessage())]));

    /// <inheritdoc/>
    public Task<LaneTokens[]> GetLanesAsync(long[] steps, int[] lanes) =>
        Task.FromResult(steps.Zip(lanes, (step, lane) => new LaneTokens([.. Source.Lane(step, lane).Select(b => b.ToMessage())])).ToArray());

    /// <inheritdoc/>
    public Task<LaneTokens> GetValidationAsync(int lane) =>
        Task.FromResult(new LaneTokens([.. Source.Validation(lane).Select(b => b.ToMessage())]));

    /// <inheritdoc/>
    public Task CloseAsync()
    {
        DeactivateOnIdle();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        _stage?.Dispose();
        _stage = null;
        return Task.CompletedTask;
    }
}
