using System.Diagnostics;
using Cluster.Contracts.Checkpoints;
using Cluster.Contracts.Training;
using Cluster.Core.Checkpoints;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Hosting;
using Cluster.Silo.Training;
using Microsoft.Extensions.Logging;
using Orleans.Placement;

namespace Cluster.Silo.Checkpoints;

/// <summary>What a new activation needs to go on.</summary>
[GenerateSerializer]
public sealed record CheckpointGrainState
{
    /// <summary>Where the checkpoints are.</summary>
    [Id(0)]
    public CheckpointFolder? Folder { get; set; }
}

/// <inheritdoc cref="ICheckpointGrain"/>
[KeepAlive, PreferLocalPlacement]
public sealed partial class CheckpointGrain(
    [PersistentState("checkpoints")] IPersistentState<CheckpointGrainState> state, CheckpointInstruments instruments, ILogger<CheckpointGrain> logger) : Grain, ICheckpointGrain
{
    private static readonly TimeSpan s_long = TimeSpan.FromSeconds(20);
    private readonly LongPoll _changed = new();
    private long _beganAt;
    private long? _writing;
    private string _writer = "";
    private CheckpointInfo? _last;
    private string? _error;

    private IReplicaGrain Writer => GrainFactory.GetGrain<IReplicaGrain>(ReplicaKey.OfMember(_writer));

    private CheckpointFolder Folder => state.State.Folder ?? throw new InvalidOperationException($"The checkpoints of {this.GetPrimaryKeyString()} are not open.");

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        if (state.State.Folder is not null)
            instruments.Open(this.GetPrimaryKeyString());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        instruments.Forget(this.GetPrimaryKeyString());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task OpenAsync(CheckpointFolder folder)
    {
        instruments.Forget(this.GetPrimaryKeyString());
        instruments.Open(this.GetPrimaryKeyString());
        (state.State.Folder, _writing, _last, _error) = (folder, null, null, null);
        return state.WriteStateAsync();
    }

    /// <inheritdoc/>
    public async Task<CheckpointFound> FindLatestAsync()
    {
        var folder = Folder;
        var warnings = new List<string>();
        var recipe = RecipeJson.Parse(folder.RecipeJson, "The run's recipe");
        // Reads every byte of the checkpoint to compare its hash: not on the grain's thread.
        var found = await Task.Run(() => new CheckpointStore(new RunFolder(folder.RunPath).Checkpoints(folder.Stage), folder.Keep)
            .Latest(warnings.Add, manifest => manifest.IsOf(recipe)));
        _last = found?.ToInfo();
        return new CheckpointFound(_last, warnings);
    }

    /// <inheritdoc/>
    public async Task SaveAsync(string replica, CheckpointRequest request)
    {
        // One at a time: a replica copies its state into one buffer.
        if (_writing is { } earlier)
            throw new InvalidOperationException($"The checkpoint of step {earlier} is still being written.");
        (_writing, _writer, _error, _beganAt) = (request.Steps, replica, null, Stopwatch.GetTimestamp());
        try
        {
            await Writer.SaveAsync(request);
        }
        catch (Exception error) when (error is OrleansException or TimeoutException or InvalidOperationException)
        {
            await WrittenAsync(request.Steps, null, $"Replica {replica} could not be asked: {error.Message}");
        }
    }

    /// <inheritdoc/>
    public Task WrittenAsync(long steps, CheckpointInfo? checkpoint, string? error)
    {
        if (_writing != steps)
            return Task.CompletedTask;
        (_writing, _last, _error) = (null, checkpoint ?? _last, error);
        if (error is null)
        {
            instruments.Saved(this.GetPrimaryKeyString(), steps, Stopwatch.GetElapsedTime(_beganAt).TotalSeconds);
            LogSaved(steps);
        }
        else
        {
            instruments.Failed(this.GetPrimaryKeyString());
            LogNotSaved(steps, error);
        }

        _changed.Changed();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<CheckpointOutcome> WaitAsync()
    {
        await _changed.UntilAsync(() => _writing is null);
        // Long, or lost? Whose silo has died writes nothing any more.
        if (_writing is { } steps && Stopwatch.GetElapsedTime(_beganAt) > s_long && await GrainCalls.ProbeAsync(Writer, _writer) is { IsThere: not true, Failure: var failure })
            await WrittenAsync(steps, null, $"Replica {_writer} is lost: {failure ?? "its silo has it no more"}");
        return new CheckpointOutcome(_writing is not null, _last, _error);
    }

    [LoggerMessage(LogLevel.Information, "The checkpoint of step {Step} is written")]
    private partial void LogSaved(long step);

    [LoggerMessage(LogLevel.Warning, "The checkpoint of step {Step} is not written: {Reason}")]
    private partial void LogNotSaved(long step, string reason);
}

/// <summary>Between the store's records and the messages that cross grain calls.</summary>
internal static class CheckpointMessages
{
    public static CheckpointInfo ToInfo(this SavedCheckpoint checkpoint) => new(
        checkpoint.Path, checkpoint.Manifest.Step, checkpoint.Manifest.Seconds, checkpoint.Manifest.WeightsSha256,
        checkpoint.Manifest.BestValidationLoss, checkpoint.Manifest.ValidationsWithoutImprovement);
}
