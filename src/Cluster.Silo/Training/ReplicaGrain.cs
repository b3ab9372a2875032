// Hosts a ReplicaWorker: makes it from a job, passes messages on, frees it. The worker's thread does the work.
using System.Globalization;
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
public sealed partial class ReplicaGrain(ExchangeHub hub, LocalReplicas local, ILogger<ReplicaGrain> logger) : Grain, IReplicaGrain, ICoordinatorPort
{
    /// <summary>How often a replica that hears nothing says again what it said last.</summary>
    private static readonly TimeSpan s_reminder = TimeSpan.FromSeconds(1);

    private IAllReduceGrain? _coordinator;
    private ReplicaWorker? _worker;
    private ExchangeHub.Registration? _gradients, _state;
    private TrainingJob? _job;
    private Snapshot? _snapshot;
    private IGrainTimer? _timer;

    private ReplicaWorker Worker => _worker ?? throw new InvalidOperationException($"Replica {this.GetPrimaryKeyString()} has not started.");

    /// <inheritdoc/>
    public async Task StartAsync(TrainingJob job)
    {
        if (_job is { } present && present.Key == job.Key && present.Secret.AsSpan().SequenceEqual(job.Secret))
            return;
        // A job that begins again (from a checkpoint, in the same process) finds the last one's engine here.
        await FreeAsync();
        _job = job;
        var recipe = RecipeJson.Parse(job.RecipeJson, "The job's recipe");
        var run = RunOf(job);
        var schedule = StageSchedule.Of(recipe, job.Stage);
        var t = recipe.Training;
        var options = new EngineOptions(recipe.Model, t.Precision, schedule.MicroBatchTokens,
            new AdamWOptions(t.Beta1, t.Beta2, t.Epsilon, t.WeightDecay, t.ClipNorm), t.ThreadsPerReplica);
        _coordinator = GrainFactory.GetGrain<IAllReduceGrain>(job.Key);
        var source = new ShardGrainSource(GrainFactory.GetGrain<IShardGrain>(job.Key), schedule);
        ExchangeBoard gradients = new(run, shared: true), state = new(StateTransfer.RunOf(run));
        _gradients = hub.Register(gradients, job.Secret);
        _state = hub.Register(state, job.Secret);
        var newcomer = job.FirstStep < 0;
        var start = new ReplicaStart(() => new TrainingEngine(options, recipe.Seed), newcomer || job.StartFrom is null ? null : Load, job.FirstStep,
            schedule.MicroBatchTokens, schedule[0].Context, IdentityOf(job, recipe));
        var member = new Member(
            ReplicaKey.MemberId(this.GetPrimaryKeyString(), (uint)Random.Shared.NextInt64(1L << 32)), new ReplicaAddress(_gradients.Address, _state.Address).ToString());
        var peers = new ReplicaExchange(gradients, state, peer => hub.Connect(ReplicaAddress.Parse(peer.Address).Gradients, job.Secret),
            peer => hub.Connect(ReplicaAddress.Parse(peer.Address).State, job.Secret));
        _worker = new ReplicaWorker(member, run, t.Lanes, SlicePlan.DefaultSliceLength, start, source, this, peers);
        local.Add(this.GetPrimaryKeyString(), job.Key);
        _timer ??= this.RegisterGrainTimer(
            _ =>
            {
                if (_worker is { } worker && worker.Silence >= s_reminder)
                    worker.Remind();
                return Task.CompletedTask;
            },
            new GrainTimerCreationOptions(s_reminder, s_reminder) { Interleave = true });

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

    /// <summary>A job's identity on the wire: its key with its recipe, so that two runs of one name do not mix.</summary>
    private static ulong RunOf(TrainingJob job) => XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(job.Key + '\n' + job.RecipeJson));

    /// <summary>What this process would train the job with; the coordinator compares it with its own.</summary>
    internal static RunIdentity IdentityOf(TrainingJob job, Recipe recipe) => new(
        RunOf(job).ToString("x16", CultureInfo.InvariantCulture), ProgramVersion.Value, RecipeJson.Hash(recipe), ModelReport.ShapeOf(recipe).ToString());

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
    public Task QueryAsync(QueryMessage query)
    {
        _worker?.Post(query.ToRecord());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task CopyAsync(CopyStateMessage copy)
    {
        _worker?.Post(copy.ToRecord());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task EvictedAsync(EvictedMessage evicted)
    {
        _worker?.Post(evicted.ToRecord());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task RefusedAsync(string member, string reason)
    {
        if (_worker?.Member.Id == member)
            _worker.Refused(reason);
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

    void ICoordinatorPort.Send(ReplicaAction message)
    {
        switch (message)
        {
            case ReplicaAction.SendJoin send:
                Send(c => c.JoinAsync(send.Join.ToMessage()));
                break;
            case ReplicaAction.SendReady send:
                Send(c => c.ReadyAsync(send.Ready.ToMessage()));
                break;
            case ReplicaAction.SendReport send:
                Send(c => c.ReportAsync(send.Report.ToMessage()));
                break;
            case ReplicaAction.SendJoined send:
                Send(c => c.JoinedAsync(send.Joined.ToMessage()));
                break;
            case ReplicaAction.SendCopyFailed send:
                Send(c => c.CopyFailedAsync(send.Failed.ToMessage()));
                break;
            case ReplicaAction.SendPeerLost send:
                LogPeerLost(send.Lost.Lost, send.Lost.Reason);
                Send(c => c.PeerLostAsync(send.Lost.ToMessage()));
                break;
            case ReplicaAction.SendPresence send:
                Send(c => c.PresenceAsync(send.Presence.ToMessage()));
                break;
            default:
                throw new ArgumentException($"{message} is no message.", nameof(message));
        }
    }

    void ICoordinatorPort.Failed(string member, Exception error)
    {
        LogFailed(member, error);
        Send(c => c.FailedAsync(member, error.Message));
    }

    private async Task FreeAsync()
    {
        local.Remove(this.GetPrimaryKeyString());
        if (_worker is not null)
            await _worker.DisposeAsync();
        foreach (var registration in (ExchangeHub.Registration?[])[_gradients, _state])
        {
            if (registration is not null)
                await registration.DisposeAsync();
        }

        (_worker, _gradients, _state, _snapshot, _job) = (null, null, null, null, null);
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

    [LoggerMessage(LogLevel.Warning, "Peer {Peer} is lost: {Reason}")]
    private partial void LogPeerLost(string peer, string reason);

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
