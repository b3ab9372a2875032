// Hosts a ReplicaWorker: makes it from a job, passes messages on, frees it. The worker's thread does the work.
using System.IO.Hashing;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Contracts.Training;
using Cluster.Core.Recipes;
using Cluster.Data.Shards;
using Cluster.Model.Optimizer;
using Cluster.Model.Training;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Placement;

namespace Cluster.Silo.Training;

/// <inheritdoc cref="IReplicaGrain"/>
[KeepAlive, Immovable, SiloNamePlacement]
public sealed partial class ReplicaGrain(ExchangeHub hub, ILogger<ReplicaGrain> logger) : Grain, IReplicaGrain, ICoordinatorPort
{
    private const int MaxAttempts = 8;
    private readonly List<ShardReader> _readers = [];
    private IAllReduceGrain? _coordinator;
    private ReplicaWorker? _worker;
    private ExchangeHub.Registration? _registration;

    /// <inheritdoc/>
    public Task StartAsync(TrainingJob job)
    {
        if (_worker is not null)
            return Task.CompletedTask;
        var recipe = RecipeJson.Parse(job.RecipeJson, "The job's recipe");
        // The run's identity on the wire: its name with its recipe, so that two runs of one name do not mix.
        var run = XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(job.Run + '\n' + job.RecipeJson));
        var schedule = new Schedule(recipe);
        var source = new ShardStepSource(recipe, data => Open(Path.Combine(job.ShardsPath, data == PhaseData.Best ? "train_best" : "train")));
        var shape = recipe.Model with { MaxContext = Math.Max(recipe.Model.MaxContext, schedule.LongestContext) };
        var t = recipe.Training;
        var options = new EngineOptions(shape, t.Precision, schedule.MicroBatchTokens,
            new AdamWOptions(t.Beta1, t.Beta2, t.Epsilon, t.WeightDecay, t.ClipNorm), t.ThreadsPerReplica);
        _coordinator = GrainFactory.GetGrain<IAllReduceGrain>(job.Run);
        var board = new ExchangeBoard(run);
        _registration = hub.Register(board, job.Secret);
        _worker = new ReplicaWorker(new Member(this.GetPrimaryKeyString(), _registration.Address), run, t.Lanes, SlicePlan.DefaultSliceLength,
            () => new TrainingEngine(options, recipe.Seed), source, this, board, peer => hub.Connect(peer.Address, job.Secret));
        return Task.CompletedTask;
    }

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
    public Task<ReplicaState> GetStateAsync(long steps)
    {
        var worker = _worker ?? throw new InvalidOperationException($"Replica {this.GetPrimaryKeyString()} has not started.");
        return worker.Ask(steps, (engine, applied) => new ReplicaState(
            applied, Convert.ToHexStringLower(SHA256.HashData(MemoryMarshal.AsBytes((ReadOnlySpan<float>)engine.Parameters))), worker.LanesComputed));
    }

    /// <inheritdoc/>
    public async Task StopAsync()
    {
        if (_worker is not null)
            await _worker.DisposeAsync();
        if (_registration is not null)
            await _registration.DisposeAsync();
        foreach (var reader in _readers)
            reader.Dispose();
        _readers.Clear();
        (_worker, _registration) = (null, null);
        DeactivateOnIdle();
    }

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) => StopAsync();

    void ICoordinatorPort.Join(Member member, long steps, string stateHash) =>
        Send(c => c.JoinAsync(new MemberMessage(member.Id, member.Address), steps, stateHash));

    void ICoordinatorPort.Ready(Ready ready) => Send(c => c.ReadyAsync(ready.ToMessage()));

    void ICoordinatorPort.PeerLost(string reporter, string lost, long generation, string reason) =>
        Send(c => c.PeerLostAsync(reporter, lost, generation, reason));

    void ICoordinatorPort.Failed(string member, Exception error)
    {
        LogFailed(member, error);
        Send(c => c.FailedAsync(member, error.Message));
    }

    private ShardReader Open(string path)
    {
        var reader = ShardReader.Open(path);
        _readers.Add(reader);
        return reader;
    }

    /// <summary>
    /// Tells the coordinator from the compute thread, which does not wait. While the coordinator's grain moves to another silo
    /// calls fail fast; the message is sent again, for the protocol takes no harm from hearing a thing twice.
    /// </summary>
    private void Send(Func<IAllReduceGrain, Task> say) => _ = Task.Run(async () =>
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                await say(_coordinator!);
                return;
            }
            catch (Exception error) when (error is OrleansException or TimeoutException)
            {
                LogRetry(attempt, error.Message);
                if (attempt == MaxAttempts)
                    return;
                await Task.Delay(TimeSpan.FromMilliseconds(50 << attempt));
            }
        }
    });

    [LoggerMessage(LogLevel.Error, "Replica {Member} failed")]
    private partial void LogFailed(string member, Exception error);

    [LoggerMessage(LogLevel.Warning, "The coordinator did not answer (attempt {Attempt}): {Reason}")]
    private partial void LogRetry(int attempt, string reason);
}
