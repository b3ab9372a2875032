// A replica on this silo, whoever asks for it: its worker, its boards, its way to the coordinator, its reminders.
// It outlives the grain's activations: when another silo dies, the directory may give a living replica's grain up and make it anew,
// and what the replica holds must not go with that.
using System.Collections.Concurrent;
using System.Globalization;
using System.IO.Hashing;
using System.Text;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Core.Checkpoints;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Model.Training;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Faults;
using Cluster.Silo.Hosting;
using Cluster.Silo.Shards;
using Microsoft.Extensions.Logging;

namespace Cluster.Silo.Training;

/// <summary>One life of a replica.</summary>
internal sealed partial class ReplicaHost : ILocalReplica, ICoordinatorPort
{
    /// <summary>How often a replica that hears nothing says again what it said last.</summary>
    private static readonly TimeSpan s_reminder = TimeSpan.FromSeconds(1);

    private readonly IAllReduceGrain _coordinator;
    private readonly CoordinatorLine _line;
    private readonly ExchangeHub.Registration _gradients, _state;
    private readonly ITimer _timer;
    private readonly IGrainFactory _grains;
    private readonly TrainingSilos _silos;
    private readonly ILogger _logger;
    private readonly ConcurrentDictionary<string, ReplicaAddress> _addresses = new(StringComparer.Ordinal);
    private readonly bool _sharesOptimizer;
    private Snapshot? _snapshot;

    /// <param name="key">The replica's grain key.</param>
    /// <param name="job">What it works on.</param>
    /// <param name="silo">The silo that it is on.</param>
    /// <param name="hub">The data plane.</param>
    /// <param name="grains">The cluster's.</param>
    /// <param name="silos">To have a dead one declared dead.</param>
    /// <param name="time">Reminders come by it.</param>
    /// <param name="logger">Told of losses.</param>
    /// <param name="line">The silo's way to the coordinator.</param>
    /// <param name="shards">The silo's way to the shards.</param>
    /// <param name="faults">Where they may be injected.</param>
    /// <param name="stepsPerTrace">Steps from one that is traced to the next.</param>
    public ReplicaHost(
        string key, TrainingJob job, SiloAddress silo, ExchangeHub hub, IGrainFactory grains, TrainingSilos silos, TimeProvider time, ILogger logger,
        CoordinatorLine line, ShardLine shards, FaultInjector? faults, int stepsPerTrace)
    {
        Faults = faults;
        (Job, _grains, _silos, _logger, _line) = (job, grains, silos, logger, line);
        var recipe = RecipeJson.Parse(job.RecipeJson, "The job's recipe");
        var run = RunOf(job);
        var schedule = StageSchedule.Of(recipe, job.Stage);
        var t = recipe.Training;
        var options = EngineOptions.Of(recipe, schedule.MicroBatchTokens);
        _coordinator = grains.GetGrain<IAllReduceGrain>(job.Key);
        var source = new ShardGrainSource(grains.GetGrain<IShardGrain>(job.Key), shards, schedule);
        ExchangeBoard gradients = new(run, shared: true), state = new(StateTransfer.RunOf(run));
        _gradients = hub.Register(gradients, job.Secret);
        _state = hub.Register(state, job.Secret);
        _sharesOptimizer = t.ShardedOptimizer;
        var newcomer = job.FirstStep < 0;
        var start = new ReplicaStart(() => new TrainingEngine(options, recipe.Seed), newcomer || job.StartFrom is null ? null : Load, job.FirstStep,
            schedule.MicroBatchTokens, schedule[0].Context, IdentityOf(job, recipe), t.ReductionPrecision,
            // A silo's replicas are in one process.
            _sharesOptimizer ? static peer => ReplicaKey.Parse(ReplicaKey.OfMember(peer.Id)).Silo : null);
        var member = new Member(ReplicaKey.MemberId(key, (uint)Random.Shared.NextInt64(1L << 32)), new ReplicaAddress(_gradients.Address, _state.Address, silo).ToString());
        var peers = new ReplicaExchange(gradients, state, peer => hub.Connect(AddressOf(peer).Gradients, job.Secret),
            peer => hub.Connect(AddressOf(peer).State, job.Secret));
        Worker = new ReplicaWorker(member, run, t.Lanes, SlicePlan.DefaultSliceLength, start, source, this, peers, faults?.Watch(job.Key, member.Id),
            new StepTrace(job.Key, ReplicaInstruments.NameOf(ReplicaKey.Parse(key)), stepsPerTrace));
        _timer = time.CreateTimer(
            _ =>
            {
                if (Worker.Silence >= s_reminder)
                    Worker.Remind();
            },
            null, s_reminder, s_reminder);

        // Moments belong to a stage: another stage's checkpoint gives its weights only.
        void Load(TrainingEngine engine)
        {
            var checkpoint = CheckpointStore.Open(job.StartFrom!);
            var withMoments = checkpoint.Manifest.Stage == job.Stage;
            CheckpointStore.Load(checkpoint, engine.Layout, engine.Parameters, withMoments ? engine.FirstMoments : [], withMoments ? engine.SecondMoments : []);
            if (!withMoments)
                engine.ReleaseMoments(0, engine.Length);

            engine.ParametersChanged();
        }

        ReplicaAddress AddressOf(Member peer) => _addresses[peer.Id] = ReplicaAddress.Parse(peer.Address);
    }

    /// <inheritdoc/>
    public TrainingJob Job { get; }

    /// <inheritdoc/>
    public Member Member => Worker.Member;

    /// <summary>Faults of this silo, where they may be injected.</summary>
    public FaultInjector? Faults { get; }

    /// <summary>The compute thread.</summary>
    public ReplicaWorker Worker { get; }

    /// <inheritdoc/>
    public void Post(BeginStep begin) => Worker.Post(begin);

    /// <inheritdoc/>
    public void Post(Commit commit) => Worker.Post(commit);

    /// <inheritdoc/>
    public void Post(Query query) => Worker.Post(query);

    /// <inheritdoc/>
    public void Post(CopyState copy) => Worker.Post(copy);

    /// <inheritdoc/>
    public void Post(Evicted evicted) => Worker.Post(evicted);

    /// <inheritdoc/>
    public void Refused(string reason) => Worker.Refused(reason);

    /// <summary>A copy of the whole state after exactly so many steps, good until the next is taken.</summary>
    public Task<Snapshot> SnapshotAsync(long steps) => Worker.AskWhole(steps, (engine, applied) =>
    {
        if (applied != steps)
            throw new InvalidOperationException($"The state has gone on to step {applied}.");
        var snapshot = _snapshot ?? new Snapshot(engine);
        // Who shares the optimizer's state has no room for all of it between two checkpoints.
        _snapshot = _sharesOptimizer ? null : snapshot;
        return snapshot.Room;
    });

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _timer.DisposeAsync();
        await Worker.DisposeAsync();
        await _gradients.DisposeAsync();
        await _state.DisposeAsync();
    }

    /// <summary>
    /// A job's identity on the wire: its key with its recipe and its secret, so that neither two runs of one name mix nor what a run was before
    /// it went back to a checkpoint and what it is since.
    /// </summary>
    private static ulong RunOf(TrainingJob job) =>
        XxHash3.HashToUInt64(Encoding.UTF8.GetBytes($"{job.Key}\n{job.RecipeJson}\n{Convert.ToHexString(job.Secret)}"));

    /// <summary>What this process would train the job with; the coordinator compares it with its own.</summary>
    internal static RunIdentity IdentityOf(TrainingJob job, Recipe recipe) => new(
        RunOf(job).ToString("x16", CultureInfo.InvariantCulture), ProgramVersion.Value, RecipeJson.Hash(recipe), ModelReport.ShapeOf(recipe).ToString());

    void ICoordinatorPort.Send(ReplicaAction message)
    {
        _line.Send(message);
        if (message is not ReplicaAction.SendPeerLost { Lost: var lost })
            return;
        LogPeerLost(lost.Lost, lost.Reason);
        ProbeAsync(lost).Ignore();
    }

    /// <summary>
    /// The coordinator, who has been told, has the peer probed. Where the coordinator itself is silent, it may have been on the peer's silo:
    /// then the peer is probed from here, and its silo declared dead if that fails too [13].
    /// </summary>
    private async Task ProbeAsync(PeerLost lost)
    {
        if (await GrainCalls.IsAnsweredAsync(_coordinator.GetProgressAsync()))
            return;
        var peer = ReplicaKey.OfMember(lost.Lost);
        if ((await GrainCalls.ProbeAsync(_grains.GetGrain<IReplicaGrain>(peer), lost.Lost)).IsThere is null)
        {
            LogDead(lost.Lost, lost.Reason);
            await _silos.DeclareDeadAsync(_addresses[lost.Lost].Silo);
        }
    }

    void ICoordinatorPort.Failed(string member, Exception error)
    {
        LogFailed(member, error);
        _line.Failed(member, error);
    }

    /// <summary>Room for a copy of an engine's state.</summary>
    internal sealed class Snapshot(TrainingEngine engine)
    {
        public ParameterLayout Layout { get; } = engine.Layout;

        public float[] Parameters { get; } = new float[engine.Length];

        public float[] FirstMoments { get; } = new float[engine.Length];

        public float[] SecondMoments { get; } = new float[engine.Length];

        public (Snapshot Snapshot, Memory<float>[] Vectors) Room => (this, [Parameters, FirstMoments, SecondMoments]);
    }

    [LoggerMessage(LogLevel.Warning, "Peer {Peer} is lost: {Reason}")]
    private partial void LogPeerLost(string peer, string reason);

    [LoggerMessage(LogLevel.Warning, "The silo of {Peer} is declared dead: it does not answer, nor does the coordinator. {Reason}")]
    private partial void LogDead(string peer, string reason);

    [LoggerMessage(LogLevel.Error, "Replica {Member} failed")]
    private partial void LogFailed(string member, Exception error);
}
