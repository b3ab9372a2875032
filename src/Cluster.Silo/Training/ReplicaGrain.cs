// Hosts a ReplicaWorker: makes it from a job, passes messages on, frees it. The worker's thread does the work.
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Contracts.Checkpoints;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Core.Checkpoints;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Model.Optimizer;
using Cluster.Model.Training;
using Cluster.Silo.Checkpoints;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Hosting;
using Cluster.Silo.Shards;
using Microsoft.Extensions.Logging;
using Orleans.Placement;

namespace Cluster.Silo.Training;

/// <inheritdoc cref="IReplicaGrain"/>
[KeepAlive, Immovable, SiloNamePlacement]
public sealed partial class ReplicaGrain(ExchangeHub hub, ILogger<ReplicaGrain> logger) : Grain, IReplicaGrain, ICoordinatorPort
{
    private IAllReduceGrain? _coordinator;
    private ReplicaWorker? _worker;
    private ExchangeHub.Registration? _registration;
    private TrainingJob? _job;
    private Snapshot? _snapshot;

    private ReplicaWorker Worker => _worker ?? throw new InvalidOperationException($"Replica {this.GetPrimaryKeyString()} has not started.");

    /// <inheritdoc/>
    public async Task StartAsync(TrainingJob job)
    {
        // A job that begins again (from a checkpoint, in the same process) finds the last one's engine here.
        await FreeAsync();
        _job = job;
        var recipe = RecipeJson.Parse(job.RecipeJson, "The job's recipe");
        // The job's identity on the wire: its key with its recipe, so that two runs of one name do not mix.
        var run = RunOf(job);
        var schedule = StageSchedule.Of(recipe, job.Stage);
        var t = recipe.Training;
        var options = new EngineOptions(recipe.Model, t.Precision, schedule.MicroBatchTokens,
            new AdamWOptions(t.Beta1, t.Beta2, t.Epsilon, t.WeightDecay, t.ClipNorm), t.ThreadsPerReplica);
        _coordinator = GrainFactory.GetGrain<IAllReduceGrain>(job.Key);
        var source = new ShardGrainSource(GrainFactory.GetGrain<IShardGrain>(job.Key), schedule);
        var board = new ExchangeBoard(run, shared: true);
        _registration = hub.Register(board, job.Secret);
        var start = new ReplicaStart(() => new TrainingEngine(options, recipe.Seed), job.StartFrom is null ? null : Load, job.FirstStep,
            schedule.MicroBatchTokens, schedule[0].Context);
        _worker = new ReplicaWorker(new Member(this.GetPrimaryKeyString(), _registration.Address), run, t.Lanes, SlicePlan.DefaultSliceLength,
            start, source, this, board, peer => hub.Connect(peer.Address, job.Secret));

        // Moments belong to a stage: another stage's checkpoint gives its weights only.
        void Load(TrainingEngine engine)
        {
            var checkpoint = CheckpointStore.Open(job.StartFrom!);
            var withMoments = checkpoint.Manifest.Stage == job.Stage;
            CheckpointStore.Load(checkpoint, engine.Layout, engine.Parameters, withMoments ? engine.FirstMoments : [], withMoments ? engine.SecondMoments : []);
            if (!withMoments)
            {
                engine.FirstMoments.Clear();
                engine.SecondMoments.Clear();
            }

            engine.ParametersChanged();
        }
    }

    /// <summary>A job's identity on the wire.</summary>
    internal static ulong RunOf(TrainingJob job) => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(job.Key + '\n' + job.RecipeJson));

    /// <inheritdoc/>
    public Task BeginAsync(BeginStepMessage begin)
    {
        _worker?.Post(begin.ToRecord());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task CommitAsync(CommitMessage commit)
    {
        _worker?.Post(commit.ToRecord());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task EvaluateAsync(long steps, int firstLane, int lanes)
    {
        var worker = Worker;
        var run = GrainFactory.GetGrain<ITrainingRunGrain>(_job!.Key);
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
        var worker = Worker;
        var job = _job!;
        var checkpoints = GrainFactory.GetGrain<ICheckpointGrain>(job.Key);
        // Asked within the turn, as above; training waits for the copy, not for the disk.
        var copying = worker.Ask(request.Steps, (engine, applied) => applied == request.Steps
            ? (_snapshot ??= new Snapshot(engine)).Take(engine)
            : throw new InvalidOperationException($"The state has gone on to step {applied}."));
        return Start(async () =>
        {
            CheckpointInfo? info = null;
            string? error = null;
            try
            {
                var snapshot = await copying;
                var folder = request.Folder;
                var store = new CheckpointStore(new RunFolder(folder.RunPath).Checkpoints(folder.Stage), folder.Keep);
                var saved = store.Save(
                    new CheckpointState(folder.Stage, request.Steps, request.Tokens, request.Seconds, folder.RecipeSha256, request.BestValidationLoss,
                        request.ValidationsWithoutImprovement),
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
        var (parameters, layout, steps) = await Worker.Ask(0, (engine, applied) => (engine.Parameters.ToArray(), engine.Layout, applied));
        return await Task.Run(() => new SampleReply(steps, Sampling.Write(layout, parameters, request)));
    }

    /// <inheritdoc/>
    public Task<ReplicaState> GetStateAsync(long steps)
    {
        var worker = Worker;
        return worker.Ask(steps, (engine, applied) => new ReplicaState(
            applied, Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes((ReadOnlySpan<float>)engine.Parameters))), worker.LanesComputed,
            worker.CoordinationTime.TotalSeconds, worker.ComputeTime.TotalSeconds));
    }

    /// <inheritdoc/>
    public Task PingAsync() => Task.CompletedTask;

    /// <inheritdoc/>
    public async Task StopAsync()
    {
        await FreeAsync();
        DeactivateOnIdle();
    }

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) => FreeAsync();

    void ICoordinatorPort.Join(Join join) => Send(c => c.JoinAsync(join.ToMessage()));

    void ICoordinatorPort.Ready(Ready ready) => Send(c => c.ReadyAsync(ready.ToMessage()));

    void ICoordinatorPort.PeerLost(string reporter, string lost, long generation, string reason) =>
        Send(c => c.PeerLostAsync(reporter, lost, generation, reason));

    void ICoordinatorPort.Failed(string member, Exception error)
    {
        LogFailed(member, error);
        Send(c => c.FailedAsync(member, error.Message));
    }

    private async Task FreeAsync()
    {
        if (_worker is not null)
            await _worker.DisposeAsync();
        if (_registration is not null)
            await _registration.DisposeAsync();
        (_worker, _registration, _snapshot) = (null, null, null);
    }

    /// <summary>
    /// Tells the coordinator from the compute thread, which does not wait. The message may be said twice: the protocol takes no harm.
    /// </summary>
    private void Send(Func<IAllReduceGrain, Task> say)
    {
        var coordinator = _coordinator!;
        Start(() => GrainCalls.RetryAsync(() => say(coordinator), CancellationToken.None, LogRetry));
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

    /// <summary>A copy of an engine's state, made once and filled again for every checkpoint.</summary>
    private sealed class Snapshot(TrainingEngine engine)
    {
        public ParameterLayout Layout { get; } = engine.Layout;

        public float[] Parameters { get; } = new float[engine.Length];

        public float[] FirstMoments { get; } = new float[engine.Length];

        public float[] SecondMoments { get; } = new float[engine.Length];

        public Snapshot Take(TrainingEngine source)
        {
            source.Parameters.CopyTo(Parameters);
            source.FirstMoments.CopyTo(FirstMoments);
            source.SecondMoments.CopyTo(SecondMoments);
            return this;
        }
    }

    [LoggerMessage(LogLevel.Error, "Replica {Member} failed")]
    private partial void LogFailed(string member, Exception error);

    private void LogRetry(int attempt, Exception error) => LogRetry(attempt, error.Message);

    [LoggerMessage(LogLevel.Warning, "A grain did not answer (attempt {Attempt}): {Reason}")]
    private partial void LogRetry(int attempt, string reason);

    [LoggerMessage(LogLevel.Error, "Work for another grain failed")]
    private partial void LogWorkFailed(Exception error);

    [LoggerMessage(LogLevel.Error, "The checkpoint of step {Step} was not written")]
    private partial void LogNotSaved(long step, Exception error);
}
