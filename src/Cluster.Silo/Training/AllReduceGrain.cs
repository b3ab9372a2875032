// Drives StepCoordinator: grain calls in, grain calls and conditional writes out. All decisions are the coordinator's.
using System.Globalization;
using Cluster.Collectives.Protocol;
using Cluster.Contracts.Training;
using Cluster.Core.Recipes;
using Microsoft.Extensions.Logging;
using Orleans.Placement;
using Orleans.Storage;

namespace Cluster.Silo.Training;

/// <summary>What must survive the coordinator's silo.</summary>
[GenerateSerializer]
public sealed record AllReduceState
{
    /// <summary>Of the last activation; a new one takes the next [11].</summary>
    [Id(0)]
    public long Term { get; set; }

    /// <summary>Steps committed.</summary>
    [Id(1)]
    public long Steps { get; set; }

    /// <summary>Gradient of the last commit.</summary>
    [Id(2)]
    public string GradientHash { get; set; } = "";

    /// <summary>Loss of the last commit.</summary>
    [Id(3)]
    public double Loss { get; set; }

    /// <summary>Gradient norm of the last commit.</summary>
    [Id(4)]
    public double GradientNorm { get; set; }
}

/// <inheritdoc cref="IAllReduceGrain"/>
[KeepAlive, PreferLocalPlacement]
public sealed partial class AllReduceGrain(
    [PersistentState("all-reduce")] IPersistentState<AllReduceState> state, ILogger<AllReduceGrain> logger) : Grain, IAllReduceGrain
{
    private static readonly TimeSpan s_longPoll = TimeSpan.FromSeconds(20);
    private StepCoordinator? _coordinator;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly Queue<StepResult> _results = new();
    private string? _stopped, _lastFailure;
    private bool _finished;

    /// <inheritdoc/>
    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        // A job lives in memory only: whoever asks an activation that has taken over learns that the run must be started again.
        if (state.State.Steps > 0)
            _stopped = $"The coordinator's silo was lost after step {state.State.Steps}; start the run again from its last checkpoint.";
        state.State.Term++;
        await state.WriteStateAsync(cancellationToken);
    }

    /// <inheritdoc/>
    public async Task StartAsync(TrainingJob job)
    {
        var recipe = RecipeJson.Parse(job.RecipeJson, "The job's recipe");
        // Whoever still works for an earlier job of this stage has an older term and is left unanswered [11]. Across jobs the run
        // folder decides where the stage is: the job says which step its checkpoint has applied.
        (_finished, _stopped) = (false, null);
        _results.Clear();
        var identity = new RunIdentity(ReplicaGrain.RunOf(job).ToString("x16", CultureInfo.InvariantCulture));
        var start = new CommitRecord(0, job.FirstStep, "", 0);
        var earlier = new CoordinatorRecord(identity, state.State.Term, 0, 0, recipe.Training.Lanes, 0, [], start, job.FirstStep, 0);
        _coordinator = new StepCoordinator((uint)Random.Shared.Next());
        await Do(c => c.StartJob(earlier, identity, recipe.Training.Lanes, job.Replicas.Count, start, job.LastStep));
        await Task.WhenAll(job.Replicas.Select(key => GrainFactory.GetGrain<IReplicaGrain>(key).StartAsync(job)));
    }

    /// <inheritdoc/>
    public Task ContinueAsync(long lastStep)
    {
        _finished = false;
        return Do(c => c.Continue(lastStep));
    }

    /// <inheritdoc/>
    public Task HaltAsync() => Do(c => c.Halt());

    /// <inheritdoc/>
    public Task JoinAsync(JoinMessage join) => Do(c => c.Generation > 0
        ? [new CoordinatorAction.Refuse(join.ToRecord().Member, "The run has begun; replicas join before its first step.")]
        : c.Receive(join.ToRecord()));

    /// <inheritdoc/>
    public Task ReadyAsync(ReadyMessage ready) => Do(c => c.Receive(ready.ToRecord()));

    /// <inheritdoc/>
    public Task PeerLostAsync(string reporter, string lost, long generation, string reason)
    {
        LogPeerLost(reporter, lost, generation, reason);
        // A report about an earlier generation says nothing about this one's links, and one from outside is hearsay.
        return Do(c => c.Generation == generation && c.Members.Any(m => m.Id == reporter) ? c.Lose(lost, reason) : []);
    }

    /// <inheritdoc/>
    public Task FailedAsync(string member, string reason)
    {
        _lastFailure = $"Replica {member} failed: {reason}";
        return Do(c => c.Lose(member, reason));
    }

    /// <inheritdoc/>
    public Task<CoordinatorProgress> GetProgressAsync(long after) => Task.FromResult(Progress(after));

    /// <inheritdoc/>
    public async Task<CoordinatorProgress> WaitForProgressAsync(long after)
    {
        using var limit = new CancellationTokenSource(s_longPoll);
        while (Committed <= after && !_finished && _stopped is null && !limit.IsCancellationRequested)
            await _changed.Task.WaitAsync(limit.Token).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);
        return Progress(after);
    }

    /// <summary>Steps that are stored; the state at hand may hold one that is still on its way to the store.</summary>
    private long Committed => _coordinator?.Committed.Steps ?? state.State.Steps;

    private CoordinatorProgress Progress(long after)
    {
        // Who asks for what comes after a step has seen the steps up to it.
        while (_results.TryPeek(out var oldest) && oldest.Steps <= after)
            _results.Dequeue();
        return new CoordinatorProgress(
            Committed, [.. _results], _coordinator?.Generation ?? 0, [.. _coordinator?.Members.Select(m => m.Id) ?? []],
            _coordinator?.LostLanes ?? 0, _finished, _stopped);
    }

    private async Task Do(Func<StepCoordinator, IReadOnlyList<CoordinatorAction>> decide)
    {
        if (_coordinator is null)
            return;
        var actions = new Queue<CoordinatorAction>(decide(_coordinator));
        while (actions.TryDequeue(out var action))
        {
            switch (action)
            {
                case CoordinatorAction.SendBegin send:
                    LogGeneration(send.Begin.Generation, send.Begin.Step, send.Begin.Assignment.ToString());
                    var begin = send.Begin.ToMessage();
                    foreach (var member in send.To)
                        GrainFactory.GetGrain<IReplicaGrain>(member.Id).BeginAsync(begin).Ignore();
                    break;
                case CoordinatorAction.Committed committed:
                    _results.Enqueue(new StepResult(committed.Record.Steps, committed.Record.Loss, committed.Record.GradientNorm));
                    break;
                case CoordinatorAction.Store store:
                    foreach (var next in await StoreAsync(store.Record))
                        actions.Enqueue(next);
                    break;
                case CoordinatorAction.SendCommit send:
                    var commit = send.Commit.ToMessage();
                    foreach (var member in send.To)
                        GrainFactory.GetGrain<IReplicaGrain>(member.Id).CommitAsync(commit).Ignore();
                    break;
                case CoordinatorAction.Refuse refuse:
                    LogRefused(refuse.Member.Id, refuse.Reason);
                    break;
                case CoordinatorAction.Deactivate deactivate:
                    // Another activation has written since: it is in charge, and this one must not answer for the run any more [11].
                    _stopped = deactivate.Reason;
                    DeactivateOnIdle();
                    break;
                case CoordinatorAction.Stop stop:
                    _stopped = _lastFailure is null ? stop.Reason : $"{stop.Reason} {_lastFailure}";
                    LogStopped(_stopped);
                    break;
                case CoordinatorAction.Finished:
                    _finished = true;
                    break;
            }
        }

        var changed = _changed;
        _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
        changed.SetResult();
    }

    private async Task<IReadOnlyList<CoordinatorAction>> StoreAsync(CoordinatorRecord record)
    {
        var committed = record.Committed;
        (state.State.Term, state.State.Steps, state.State.GradientHash, state.State.Loss, state.State.GradientNorm) =
            (record.Term, committed.Steps, committed.GradientHash, committed.Loss, committed.GradientNorm);
        try
        {
            await state.WriteStateAsync();
        }
        catch (InconsistentStateException error)
        {
            return _coordinator!.StoreConflict(error.Message);
        }

        return _coordinator!.Stored();
    }

    [LoggerMessage(LogLevel.Information, "Generation {Generation} begins at step {Step} with lanes {Lanes}")]
    private partial void LogGeneration(long generation, long step, string lanes);

    [LoggerMessage(LogLevel.Warning, "{Reporter} lost {Lost} in generation {Generation}: {Reason}")]
    private partial void LogPeerLost(string reporter, string lost, long generation, string reason);

    [LoggerMessage(LogLevel.Warning, "Replica {Member} is refused: {Reason}")]
    private partial void LogRefused(string member, string reason);

    [LoggerMessage(LogLevel.Error, "The run stops: {Reason}")]
    private partial void LogStopped(string reason);
}
