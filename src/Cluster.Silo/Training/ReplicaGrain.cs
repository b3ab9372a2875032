// A replica's way in for those who ask for its state. (The coordinator's messages come by ReplicaRelayGrain.)
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using Cluster.Contracts.Checkpoints;
using Cluster.Contracts.Training;
using Cluster.Core.Checkpoints;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Checkpoints;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Placement;

namespace Cluster.Silo.Training;

/// <inheritdoc cref="IReplicaGrain"/>
[KeepAlive, Immovable, SiloNamePlacement]
public sealed partial class ReplicaGrain(LocalReplicas local, ILogger<ReplicaGrain> logger) : Grain, IReplicaGrain
{
    private string Key => this.GetPrimaryKeyString();

    private ReplicaHost Host => local.Find(Key) as ReplicaHost ?? throw new InvalidOperationException($"Replica {Key} has not started.");

    /// <inheritdoc/>
    public Task EvaluateAsync(long steps, int firstLane, int lanes)
    {
        var worker = Host.Worker;
        var run = GrainFactory.GetGrain<ITrainingRunGrain>(Host.Job.Key);
        // Asked within the turn: whoever has this call's answer may let the next step begin.
        var evaluating = worker.EvaluateAsync(steps, firstLane, lanes);
        return Start(async () =>
        {
            var (losses, tokens) = await evaluating;
            var result = new EvaluationResult(steps, firstLane, losses, tokens);
            await GrainCalls.RetryAsync(() => run.EvaluatedAsync(result), CancellationToken.None, LogRetry);
        });
    }

    /// <inheritdoc/>
    public Task SaveAsync(CheckpointRequest request)
    {
        var checkpoints = GrainFactory.GetGrain<ICheckpointGrain>(Host.Job.Key);
        // Asked within the turn, as above; training waits for the copy, not for the disk.
        var host = Host;
        var copying = host.SnapshotAsync(request.Steps);
        return Start(async () =>
        {
            CheckpointInfo? info = null;
            string? error = null;
            try
            {
                var snapshot = await copying;
                var folder = request.Folder;
                host.Faults?.BeforeCheckpoint();
                var store = new CheckpointStore(new RunFolder(folder.RunPath).Checkpoints(folder.Stage), folder.Keep);
                var saved = store.Save(
                    new CheckpointState(folder.Stage, request.Steps, request.Tokens, request.Seconds,
                        RecipeJson.HashAt(RecipeJson.Parse(folder.RecipeJson, "The run's recipe"), folder.Stage, request.Steps),
                        request.BestValidationLoss, request.ValidationsWithoutImprovement),
                    snapshot.Layout, snapshot.Parameters, snapshot.FirstMoments, snapshot.SecondMoments);
                info = saved.ToInfo();
            }
            catch (Exception failure)
            {
                LogNotSaved(request.Steps, failure);
                error = failure.Message;
            }

            await GrainCalls.RetryAsync(() => checkpoints.WrittenAsync(request.Steps, info, error), CancellationToken.None, LogRetry);
        });
    }

    /// <inheritdoc/>
    public async Task<SampleReply> SampleAsync(SampleRequest request)
    {
        var (parameters, layout, steps) = await Host.Worker.Ask(0, (engine, applied) => (engine.Parameters.ToArray(), engine.Layout, applied));
        return await Task.Run(() => new SampleReply(steps, Sampling.Write(layout, parameters, request)));
    }

    /// <inheritdoc/>
    public Task<ReplicaState> GetStateAsync(long steps)
    {
        var worker = Host.Worker;
        return worker.Ask(steps, (engine, applied) => new ReplicaState(
            applied, Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes((ReadOnlySpan<float>)engine.Parameters))), worker.LanesComputed,
            worker.CoordinationTime.TotalSeconds, worker.ComputeTime.TotalSeconds, worker.WaitTime.TotalSeconds,
            worker.BytesRead.Sum(read => read.Bytes)));
    }

    /// <inheritdoc/>
    public Task<ReplicaBytes> GetBytesAsync()
    {
        var parts = Host.Worker.MemoryBytes.ToDictionary(part => part.Part, part => part.Bytes, StringComparer.Ordinal);
        return Task.FromResult(new ReplicaBytes(
            parts.GetValueOrDefault("weights"), parts.GetValueOrDefault("moments"), parts.GetValueOrDefault("gradients"), parts.GetValueOrDefault("activations")));
    }

    /// <inheritdoc/>
    public Task<bool> IsThereAsync(string member) => Task.FromResult(local.Find(Key)?.Member.Id == member);

    /// <inheritdoc/>
    public async Task StopAsync()
    {
        await local.StopAsync(Key);
        DeactivateOnIdle();
    }

    /// <summary>Does something outside the grain's turns; its failure ends nothing but itself.</summary>
    private Task Start(Func<Task> work)
    {
        _ = Task.Run(async () =>
        {
            try
            {
                await work();
            }
            catch (Exception error)
            {
                LogWorkFailed(error);
            }
        });
        return Task.CompletedTask;
    }

    private void LogRetry(int attempt, Exception error) => LogRetry(attempt, error.Message);

    [LoggerMessage(LogLevel.Warning, "A grain did not answer (attempt {Attempt}): {Reason}")]
    private partial void LogRetry(int attempt, string reason);

    [LoggerMessage(LogLevel.Error, "Work for another grain failed")]
    private partial void LogWorkFailed(Exception error);

    [LoggerMessage(LogLevel.Error, "The checkpoint of step {Step} was not written")]
    private partial void LogNotSaved(long step, Exception error);
}
