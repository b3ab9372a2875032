// Drives StepCoordinator: grain calls, writes' outcomes and the clock in; grain calls, conditional writes and probes out. All decisions
// are the coordinator's.
using System.Diagnostics;
using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Contracts.Runs;
using Cluster.Contracts.Training;
using Cluster.Core.Recipes;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Placement;
using Orleans.Storage;

namespace Cluster.Silo.Training;

/// <summary>What must survive the coordinator's silo.</summary>
[GenerateSerializer]
public sealed record AllReduceState
{
    /// <summary>Name of the state among those of the grain.</summary>
    internal const string Name = "all-reduce";

    /// <summary>The job at hand; null when it has ended.</summary>
    [Id(0)]
    public TrainingJob? Job { get; set; }

    /// <summary>The coordinator's record.</summary>
    [Id(1)]
    public CoordinatorRecordMessage? Record { get; set; }

    /// <summary>Results of committed steps that nobody is known to have written down, oldest first.</summary>
    [Id(2)]
    public IReadOnlyList<StepResult> Untold { get; set; } = [];

    /// <summary>The highest turn of a driver that has asked for progress.</summary>
    [Id(3)]
    public long Turn { get; set; }
}

/// <inheritdoc cref="IAllReduceGrain"/>
[KeepAlive, PreferLocalPlacement]
public sealed partial class AllReduceGrain(
    [PersistentState(AllReduceState.Name)] IPersistentState<AllReduceState> state, TrainingSilos silos, CoordinatorInstruments instruments,
    BalancingOptions balancing, ILogger<AllReduceGrain> logger) : Grain, IAllReduceGrain
{
    // A silence is short against a step of seconds, and long against messages: whoever is silent is knocked at, which harms nobody.
    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(200), s_silence = TimeSpan.FromMilliseconds(400),
        s_reminder = TimeSpan.FromSeconds(1), s_startLimit = TimeSpan.FromSeconds(60);

    /// <summary>Of more members a log's reader learns nothing from every one's lanes.</summary>
    private const int MostNamed = 32;

    private readonly Queue<StepResult> _results = new();
    private readonly LongPoll _changed = new();
    private readonly Dictionary<string, long> _awaitedSince = new(StringComparer.Ordinal);
    private readonly HashSet<string> _probing = new(StringComparer.Ordinal);
    private readonly Dictionary<string, SiloAddress> _knocking = new(StringComparer.Ordinal);
    private readonly SiloRoutes _routes = new();
    private readonly StallLimit _limit = new(TimeSpan.FromSeconds(60), TimeSpan.FromSeconds(5), TimeSpan.FromMinutes(10), factor: 3);
    private readonly HashSet<string> _released = new(StringComparer.Ordinal);
    private LaneBalance? _balance;
    private StepCoordinator _coordinator = new(Nonce());
    private StageTimes _times = new();
    private IGrainTimer? _timer;
    private string? _stopped, _lastFailure;
    private bool _finished, _storeIsOut, _drainRefused, _momentsLost;
    private long _told, _wokeAt, _heardAt, _startedAt, _committedAt, _begunGeneration;
    private LaneAssignment? _begunLanes;

    // The plan that steps are begun by, and the silos that are known to have it.
    private readonly HashSet<SiloAddress> _silosWithPlan = [];
    private (Roster Members, LaneAssignment Assignment, PlanMessage Message)? _plan;
    private BeginStep? _begun;
    private long _plans;
    private (IReadOnlyList<Member> Members, IReadOnlyList<MemberMessage> Messages) _storedMembers = ([], []);

    /// <summary>The last step whose result is here or was passed on.</summary>
    private long LastResult => Math.Max(_told, _results.LastOrDefault()?.Steps ?? 0);

    private TrainingJob? Job => state.State.Job;

    /// <inheritdoc/>
    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _heardAt = _startedAt = Stopwatch.GetTimestamp();
        if (Job is null || state.State.Record is not { } record)
            return;
        var found = record.ToRecord();
        LogTakeOver(Job.Key, found.Committed.Steps);
        // Whoever died with the coordinator before is missed in the first generation from here.
        instruments.Open(Job.Key);
        _times = _times.Begin(found.Generation, found.Members.Select(member => (NameOf(member.Id), 0)), found.LostLanes);
        foreach (var result in state.State.Untold)
            _results.Enqueue(result);
        Watch();
        _coordinator = NewCoordinator();
        await Do(c => c.TakeOver(found));
        await FindDeadAsync();
    }

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        instruments.Forget(this.GetPrimaryKeyString());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StartAsync(TrainingJob job)
    {
        _times = new StageTimes();
        instruments.Open(this.GetPrimaryKeyString());
        _released.Clear();
        var recipe = RecipeJson.Parse(job.RecipeJson, "The job's recipe");
        // Whoever still works for an earlier job of this stage has an older term and is left unanswered [11]. Across jobs the run
        // folder decides where the stage is: the job says which step its checkpoint has applied.
        (_finished, _stopped, _momentsLost, _lastFailure, _startedAt) = (false, null, false, null, Stopwatch.GetTimestamp());
        _results.Clear();
        _told = 0;
        _awaitedSince.Clear();
        _coordinator = NewCoordinator();
        var replicas = Replicas(job);
        if (replicas.Count == 0)
            throw new OrleansException("No silo trains: none that is active has the role.");
        state.State.Job = job;
        Watch();
        await Do(c => c.StartJob(state.State.Record?.ToRecord(), ReplicaHost.IdentityOf(job, recipe), recipe.Training.Lanes, replicas.Count,
            new CommitRecord(0, job.FirstStep, "", 0), job.LastStep, recipe.Training.ShardedOptimizer));
        await Task.WhenAll(Starts(replicas, job));
    }

    /// <inheritdoc/>
    public Task ContinueAsync(long lastStep)
    {
        if (lastStep > _coordinator.LastStep)
            (_finished, _times) = (false, _times.Rest());
        return Do(c => c.Continue(lastStep));
    }

    /// <inheritdoc/>
    public Task HaltAsync() => Do(c => c.Halt());

    /// <inheritdoc/>
    public Task HearAsync(HeardMessage heard) => Do(Turns(heard), isNews: !heard.SaysOnlyWhoIsThere);

    /// <inheritdoc/>
    public Task FailedAsync(string member, string reason) => HearAsync(new HeardMessage { Failed = [new FailedMessage(member, reason)] });

    /// <summary>A turn of the coordinator's for each thing said; what it needs to know besides is noted when that turn comes.</summary>
    private IEnumerable<Func<StepCoordinator, IReadOnlyList<CoordinatorAction>>> Turns(HeardMessage heard)
    {
        foreach (var presence in heard.Present)
            yield return c => c.Receive(presence.ToRecord());
        foreach (var failed in heard.Failed)
        {
            _lastFailure = $"Replica {failed.Member} failed: {failed.Reason}";
            _times = _times.Sign(Now);
            yield return c => c.Lose(failed.Member, failed.Reason);
        }

        foreach (var join in heard.Joins)
            yield return c => c.Receive(join.ToRecord());
        foreach (var lost in heard.PeersLost)
        {
            // Everyone who was connected to the dead one says so; one of them is enough for the log.
            if (lost.Generation == _coordinator.Generation && _coordinator.Members.PlaceOf(lost.Lost) >= 0)
            {
                LogPeerLost(lost.Reporter, lost.Lost, lost.Generation, lost.Reason);
                _times = _times.Sign(Now);
            }

            yield return c => c.Receive(lost.ToRecord());
        }

        foreach (var failed in heard.CopiesFailed)
        {
            LogCopyFailed(failed.Member, failed.Donor, failed.Reason);
            yield return c => c.Receive(failed.ToRecord());
        }

        foreach (var joined in heard.Joined)
            yield return c => c.Receive(joined.ToRecord());
        foreach (var missing in heard.MomentsMissing)
        {
            LogMomentsMissing(missing.Member, missing.Slice, missing.Step);
            _times = _times.Sign(Now);
            yield return c => c.Receive(missing.ToRecord());
        }

        foreach (var report in heard.Reports)
            yield return c => c.Receive(report.ToRecord());
        foreach (var ready in heard.Ready.SelectMany(WireMessages.ToRecords))
            yield return c => c.Receive(ready);
    }

    /// <inheritdoc/>
    public Task ProbedAsync(string member, bool? isThere, string? failure)
    {
        _probing.Remove(member);
        return Do(c => isThere switch
        {
            true => c.ProbeAnswered(member),
            // The silo was started again under its name: it lives, and what the replica held is gone.
            false => c.Lose(member, "Its silo has it no more."),
            null => c.ProbeFailed(member, failure!),
        });
    }

    /// <inheritdoc/>
    public Task LookAgainAsync() => FindDeadAsync();

    /// <inheritdoc/>
    public Task KnockedAsync(string member, bool isGone)
    {
        _knocking.Remove(member);
        return isGone ? Do(c => c.ProbeFailed(member, "Nobody listens at its address.")) : Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<bool> DrainSiloAsync(string silo)
    {
        if (Job is null || _stopped is not null)
            return true;
        _drainRefused = false;
        foreach (var member in There().ToArray())
            await Do(c => c.Drain(member.Id));
        return _drainRefused || !There().Any();

        IEnumerable<Member> There() => _coordinator.Members.Where(m => ReplicaKey.Parse(ReplicaKey.OfMember(m.Id)).Silo == silo);
    }

    /// <inheritdoc/>
    public async Task EndAsync()
    {
        _timer?.Dispose();
        _timer = null;
        instruments.Forget(this.GetPrimaryKeyString());
        if (Job is not { } job)
            return;
        state.State.Job = null;
        _stopped ??= "The stage is over.";
        await state.WriteStateAsync();
        foreach (var key in Replicas(job).Concat(_coordinator.Members.Select(m => ReplicaKey.OfMember(m.Id))).Distinct(StringComparer.Ordinal))
            GrainFactory.GetGrain<IReplicaGrain>(key).StopAsync().Ignore();
        _changed.Changed();
    }

    /// <inheritdoc/>
    public Task<CoordinatorProgress> GetProgressAsync() => Task.FromResult(Progress([]));

    /// <inheritdoc/>
    public async Task<CoordinatorProgress> WaitForProgressAsync(long after, long turn)
    {
        if (turn < state.State.Turn)
            return Progress([]) with { Superseded = true };
        // Stored with the next COMMIT.
        state.State.Turn = turn;
        await _changed.UntilAsync(() => _coordinator.Committed.Steps > after || _finished || _stopped is not null);
        if (turn < state.State.Turn)
            return Progress([]) with { Superseded = true };
        _told = Math.Max(_told, after);
        while (_results.TryPeek(out var oldest) && oldest.Steps <= _told)
            _results.Dequeue();
        return Progress([.. _results]);
    }

    /// <summary>Knows nothing of anyone's speed yet.</summary>
    private StepCoordinator NewCoordinator() => new(Nonce(), _balance = balancing.Balance());

    private static uint Nonce() => (uint)Random.Shared.NextInt64(1L << 32);

    private static StepResult ResultOf(CommitRecord record) => new(record.Steps, record.Loss, record.GradientNorm);

    private CoordinatorProgress Progress(IReadOnlyList<StepResult> results) => new(
        _coordinator.Committed.Steps, results, _coordinator.Generation, [.. _coordinator.Members.Select(m => m.Id)],
        _coordinator.LostLanes, _finished, _stopped, _coordinator.JoinedReplicas, _coordinator.StalledSteps,
        MovedLanes: MovedLanes, MomentsLost: _momentsLost);

    private long MovedLanes => _balance?.MovedLanes ?? 0;

    /// <summary>Replicas that the job wants now.</summary>
    private IReadOnlyList<string> Replicas(TrainingJob job) => job.SlotsPerSilo == 0
        ? job.Replicas
        : [.. silos.Active().SelectMany(silo => Enumerable.Range(0, job.SlotsPerSilo).Select(slot => new ReplicaKey(job.Key, silo, slot).ToString()))];

    private void Watch() => _timer ??= this.RegisterGrainTimer(_ => TickAsync(), new GrainTimerCreationOptions(s_tick, s_tick));

    /// <summary>What only the passing of time brings about.</summary>
    private async Task TickAsync()
    {
        if (Job is not { } job || _stopped is not null)
            return;
        if (_storeIsOut)
        {
            await Do(_ => [new CoordinatorAction.ReadStore("It was out.")]);
            if (_storeIsOut)
                return;
        }

        if (Stopwatch.GetElapsedTime(_startedAt) > s_startLimit)
            await Do(c => c.GiveUpWaiting(), isNews: false);
        if (Stopwatch.GetElapsedTime(_heardAt) > s_reminder)
            await Do(c => c.Remind(), isNews: false);
        await FindDeadAsync();
        await FindStalledAsync();
        if (Stopwatch.GetElapsedTime(_wokeAt) < s_reminder)
            return;
        _wokeAt = Stopwatch.GetTimestamp();
        if (job.SlotsPerSilo > 0 && _coordinator.Generation > 0)
        {
            var present = _coordinator.Members.Select(m => ReplicaKey.OfMember(m.Id)).ToHashSet(StringComparer.Ordinal);
            foreach (var start in Starts(Replicas(job).Where(key => !present.Contains(key)), job with { FirstStep = -1, StartFrom = null }))
                start.Ignore();
        }

        // The coordinator is called by its replicas wherever it is: from here the others come back.
        GrainFactory.GetGrain<ITrainingRunGrain>(job.Key).WakeAsync().Ignore();
        if (job.SlotsPerSilo > 0)
            GrainFactory.GetGrain<IRunDriverGrain>(job.Run).WakeAsync().Ignore();
    }

    /// <summary>Has replicas start, by a call for each silo.</summary>
    private IEnumerable<Task> Starts(IEnumerable<string> replicas, TrainingJob job) => replicas.Select(ReplicaKey.Parse).GroupBy(key => key.Silo)
        .Select(silo => Relay(silo.Key).StartAsync(job, [.. silo.Select(key => key.Slot)]));

    /// <summary>Replicas whose silo the membership knows to be dead answer no more.</summary>
    private async Task FindDeadAsync()
    {
        List<string> lost = [];
        foreach (var silo in _routes.BySilo(_coordinator.Members).Concat(_routes.BySilo(Awaited())))
        {
            if (silos.IsDead(silo.Silo))
                lost.AddRange(silo.Ids);
        }

        if (lost.Count == 0)
            return;
        _times = _times.Sign(Now);
        await Do(c => c.Lose(lost, "Its silo is dead."));
    }

    private List<Member> Awaited() => [.. _coordinator.Awaited.Select(_coordinator.Find).OfType<Member>()];

    private async Task FindStalledAsync()
    {
        var awaited = Awaited();
        foreach (var gone in _awaitedSince.Keys.Except(awaited.Select(m => m.Id), StringComparer.Ordinal).ToArray())
            _awaitedSince.Remove(gone);
        List<string> stalled = [];
        foreach (var member in awaited)
        {
            if (_awaitedSince.TryAdd(member.Id, Stopwatch.GetTimestamp()))
                continue;
            var silence = Stopwatch.GetElapsedTime(_awaitedSince[member.Id]);
            if (silence > s_silence)
                KnockAt(member);
            if (silence <= _limit.Value)
                continue;
            _awaitedSince.Remove(member.Id);
            LogStalled(member.Id, _limit.Value.TotalSeconds);
            stalled.Add(member.Id);
        }

        if (stalled.Count > 0)
            await Do(stalled.Select(id => (Func<StepCoordinator, IReadOnlyList<CoordinatorAction>>)(c => c.Stalled(id))));
    }

    private Task Do(Func<StepCoordinator, IReadOnlyList<CoordinatorAction>> decide, bool isNews = true) => Do([decide], isNews);

    /// <param name="turns">The coordinator's turns, one after the other.</param>
    /// <param name="isNews">Whether this shows that messages get through, so that none need be said again.</param>
    private async Task Do(IEnumerable<Func<StepCoordinator, IReadOnlyList<CoordinatorAction>>> turns, bool isNews = true)
    {
        if (isNews)
            _heardAt = Stopwatch.GetTimestamp();
        var actions = new Queue<CoordinatorAction>(WithoutSuperseded([.. turns.SelectMany(decide => decide(_coordinator))]));
        if (actions.Count == 0)
            return;
        while (actions.TryDequeue(out var action))
        {
            foreach (var next in await CarryOutAsync(action))
                actions.Enqueue(next);
        }

        _changed.Changed();
    }

    /// <summary>Of several turns' generations only the last is worth telling anyone of: nobody would obey the others after it.</summary>
    private static IEnumerable<CoordinatorAction> WithoutSuperseded(IReadOnlyList<CoordinatorAction> actions)
    {
        if (actions.Count < 2)
            return actions;
        var last = actions.Max(FenceOf);
        return actions.Where(action => FenceOf(action) is not { } fence || fence == last);

        static (long Term, long Generation)? FenceOf(CoordinatorAction action) => action switch
        {
            CoordinatorAction.SendBegin send => (send.Begin.Term, send.Begin.Generation),
            CoordinatorAction.SendQuery send => (send.Query.Term, send.Query.Generation),
            _ => null,
        };
    }

    private async Task<IReadOnlyList<CoordinatorAction>> CarryOutAsync(CoordinatorAction action)
    {
        switch (action)
        {
            case CoordinatorAction.Store store:
                return await StoreAsync(store.Record);
            case CoordinatorAction.ReadStore read:
                return await ReadStoreAsync(read.Reason);
            case CoordinatorAction.Committed committed:
                if (committed.Record.Steps > LastResult)
                    _results.Enqueue(ResultOf(committed.Record));
                _times = _times.Commit(Now, out var recovered);
                if (recovered is { } seconds)
                    instruments.Recovered(this.GetPrimaryKeyString(), seconds);
                instruments.Show(this.GetPrimaryKeyString(), _times);
                if (_committedAt > 0)
                    _limit.Observe(Stopwatch.GetElapsedTime(_committedAt));
                _committedAt = Stopwatch.GetTimestamp();
                _awaitedSince.Clear();
                break;
            case CoordinatorAction.SendBegin send:
                if (send.Begin.Generation != _begunGeneration)
                {
                    LogGeneration(_begunGeneration = send.Begin.Generation, send.Begin.Step, LanesOf(send.Begin));
                    ShowGeneration(send.Begin);
                }
                else if (!ReferenceEquals(send.Begin.Assignment, _begunLanes))
                {
                    LogLanes(send.Begin.Step, LanesOf(send.Begin));
                    ShowLanes(send.Begin);
                }

                _begunLanes = send.Begin.Assignment;

                SendBegin(send.Begin, send.To);
                break;
            case CoordinatorAction.SendCommit send:
                Send(send.To, send.Commit.ToMessage(), (relay, message, slots) => relay.CommitAsync(message, slots));
                break;
            case CoordinatorAction.SendQuery send:
                Send(send.To, send.Query.ToMessage(), (relay, message, slots) => relay.QueryAsync(message, slots));
                break;
            case CoordinatorAction.SendCopy send:
                LogCopy(send.To.Id, send.Copy.Donor.Id, send.Copy.Committed.Steps);
                Send([send.To], send.Copy.ToMessage(), (relay, message, slots) => relay.CopyAsync(message, slots[0]));
                break;
            case CoordinatorAction.SendEvicted send:
                var key = ReplicaKey.Parse(ReplicaKey.OfMember(send.To));
                Relay(key.Silo).EvictedAsync(send.Evicted.ToMessage(), [key.Slot]).Ignore();
                break;
            case CoordinatorAction.Refuse refuse:
                LogRefused(refuse.Member.Id, refuse.Reason);
                _lastFailure = refuse.Reason;
                Relay(ReplicaKey.Parse(ReplicaKey.OfMember(refuse.Member.Id)).Silo).RefusedAsync(refuse.Member.Id, refuse.Reason).Ignore();
                break;
            case CoordinatorAction.Probe probe:
                Probe(probe.Member.Id);
                break;
            case CoordinatorAction.DeclareDead dead:
                LogDead(dead.Member.Id, dead.Reason);
                DeclareDead(_routes.SiloOf(dead.Member));
                break;
            case CoordinatorAction.Released released:
                LogReleased(released.Member);
                _released.Add(NameOf(released.Member));
                break;
            case CoordinatorAction.DrainRefused refused:
                _drainRefused = true;
                LogDrainRefused(refused.Member, refused.Reason);
                break;
            case CoordinatorAction.Finished:
                _finished = true;
                break;
            case CoordinatorAction.Stop stop:
                _momentsLost = stop.MomentsLost;
                _stopped = _lastFailure is null ? stop.Reason : $"{stop.Reason} {_lastFailure}";
                LogStopped(_stopped);
                break;
            case CoordinatorAction.Deactivate deactivate:
                // The one in charge answers those who ask from now on [11].
                LogDeactivated(deactivate.Reason);
                DeactivateOnIdle();
                break;
        }

        return [];
    }

    private static double Now => Stopwatch.GetElapsedTime(0).TotalSeconds;

    private static string NameOf(string member) => ReplicaInstruments.NameOf(ReplicaKey.Parse(ReplicaKey.OfMember(member)));

    private void ShowGeneration(BeginStep begin)
    {
        var there = begin.Members.Select(member => NameOf(member.Id));
        var lost = _times.Lanes.Select(replica => replica.Name).Except(there.Concat(_released), StringComparer.Ordinal).Count();
        _released.Clear();
        if (lost > 0)
        {
            _times = _times.Sign(Now);
            instruments.Lost(this.GetPrimaryKeyString(), lost);
        }

        ShowLanes(begin);
    }

    private void ShowLanes(BeginStep begin)
    {
        var lanes = begin.Members.Select((member, place) => (NameOf(member.Id), begin.Assignment[place].Count));
        _times = _times.Begin(begin.Generation, lanes, _coordinator.LostLanes, MovedLanes);
        instruments.Show(this.GetPrimaryKeyString(), _times);
    }

    private async Task<IReadOnlyList<CoordinatorAction>> StoreAsync(CoordinatorRecord record)
    {
        if (!ReferenceEquals(record.Members, _storedMembers.Members))
            _storedMembers = (record.Members, [.. record.Members.Select(WireMessages.ToMessage)]);
        state.State.Record = record.ToMessage(_storedMembers.Messages);
        state.State.Untold = record.Committed.Steps > LastResult
            ? [.. _results, ResultOf(record.Committed)] : [.. _results];
        try
        {
            await state.WriteStateAsync();
            return _coordinator.Stored();
        }
        catch (InconsistentStateException error)
        {
            return _coordinator.StoreConflict(error.Message);
        }
        catch (Exception error)
        {
            LogStoreOut(error.Message);
            return _coordinator.StoreUnavailable(error.Message);
        }
    }

    private async Task<IReadOnlyList<CoordinatorAction>> ReadStoreAsync(string reason)
    {
        var job = Job;
        try
        {
            await state.ReadStateAsync();
        }
        catch (Exception error)
        {
            // The next tick reads again; training waits.
            _storeIsOut = true;
            LogStoreOut($"{reason} {error.Message}");
            return [];
        }

        _storeIsOut = false;
        var found = state.RecordExists ? state.State.Record?.ToRecord() : null;
        state.State.Job ??= job;
        return _coordinator.StoreRead(found);
    }

    /// <summary>The membership learns of it beside the grain's turns; what follows from it need not wait for the next tick.</summary>
    private void DeclareDead(SiloAddress silo)
    {
        var self = this.AsReference<IAllReduceGrain>();
        _ = Task.Run(async () =>
        {
            await silos.DeclareDeadAsync(silo);
            await self.LookAgainAsync();
        });
    }

    /// <summary>Asks a silo by the control plane whether it lives, beside the grain's turns.</summary>
    private void Probe(string member)
    {
        if (!_probing.Add(member))
            return;
        var (replica, self) = (Replica(member), this.AsReference<IAllReduceGrain>());
        _ = Task.Run(async () =>
        {
            var (isThere, failure) = await GrainCalls.ProbeAsync(replica, member);
            await GrainCalls.RetryAsync(() => self.ProbedAsync(member, isThere, failure), CancellationToken.None);
        });
    }

    /// <summary>
    /// Looks whether a silent replica's process is gone. Whoever waits for its gradient finds that by its connection; where nobody does, as
    /// when it dies between its last gradient and its READY, nothing else tells before the membership. One of a silo's replicas is knocked
    /// at for all: they are in one process.
    /// </summary>
    private void KnockAt(Member member)
    {
        var silo = _routes.SiloOf(member);
        if (_knocking.ContainsValue(silo))
            return;
        _knocking[member.Id] = silo;
        var (address, self) = (ReplicaAddress.Parse(member.Address).Gradients, this.AsReference<IAllReduceGrain>());
        _ = Task.Run(async () =>
        {
            var isGone = await Knock.IsGoneAsync(address);
            await GrainCalls.RetryAsync(() => self.KnockedAsync(member.Id, isGone), CancellationToken.None);
        });
    }

    /// <summary>By a call for each silo.</summary>
    private void Send<T>(IReadOnlyList<Member> to, T message, Func<IReplicaRelayGrain, T, int[], Task> send)
    {
        foreach (var silo in _routes.BySilo(to))
        {
            // What is sent to a dead silo would only be placed, and fail, again and again.
            if (!silos.IsDead(silo.Silo))
                send(Relay(silo.Name), message, silo.Slots).Ignore();
        }
    }

    /// <summary>Who takes part and who computes what travels with a step only to silos that are not known to have it.</summary>
    private void SendBegin(BeginStep begin, IReadOnlyList<Member> to)
    {
        _begun = begin;
        if (_plan is not { } plan || !ReferenceEquals(plan.Members, begin.Members) || !ReferenceEquals(plan.Assignment, begin.Assignment)
            || plan.Message.Term != begin.Term)
        {
            _plan = plan = (begin.Members, begin.Assignment, begin.ToPlan(++_plans));
            _silosWithPlan.Clear();
        }

        var message = begin.ToMessage(plan.Message.Number);
        foreach (var silo in _routes.BySilo(to))
        {
            if (!silos.IsDead(silo.Silo))
                SendBeginAsync(silo, begin, message, plan.Message).Ignore();
        }
    }

    private async Task SendBeginAsync(SiloGroup silo, BeginStep begin, BeginStepMessage message, PlanMessage plan)
    {
        var hadPlan = _silosWithPlan.Contains(silo.Silo);
        var hasPlan = await Relay(silo.Name).BeginAsync(hadPlan ? message : message with { Plan = plan }, silo.Slots);
        if (_plan?.Message != plan)
            return;
        if (hasPlan)
        {
            _silosWithPlan.Add(silo.Silo);
        }
        else if (_silosWithPlan.Remove(silo.Silo) && ReferenceEquals(begin, _begun))
        {
            // The relay is not the one that was told: the silo's has been activated anew.
            await SendBeginAsync(silo, begin, message, plan);
        }
    }

    private static string LanesOf(BeginStep begin) => begin.Members.Count <= MostNamed
        ? begin.Assignment.ToString()
        : FormattableString.Invariant($"{begin.Assignment.Lanes} of {begin.Members.Count} replicas");

    private IReplicaRelayGrain Relay(string silo) => GrainFactory.GetGrain<IReplicaRelayGrain>(new ReplicaKey(this.GetPrimaryKeyString(), silo, 0).ToString());

    private IReplicaGrain Replica(string member) => GrainFactory.GetGrain<IReplicaGrain>(ReplicaKey.OfMember(member));

    [LoggerMessage(LogLevel.Information, "{Job} is taken over after step {Step}")]
    private partial void LogTakeOver(string job, long step);

    [LoggerMessage(LogLevel.Information, "Generation {Generation} begins at step {Step} with lanes {Lanes}")]
    private partial void LogGeneration(long generation, long step, string lanes);

    [LoggerMessage(LogLevel.Information, "From step {Step} on the lanes are {Lanes}")]
    private partial void LogLanes(long step, string lanes);

    [LoggerMessage(LogLevel.Information, "{Newcomer} copies the state of {Donor} after step {Step}")]
    private partial void LogCopy(string newcomer, string donor, long step);

    [LoggerMessage(LogLevel.Warning, "{Newcomer} could not copy the state of {Donor}: {Reason}")]
    private partial void LogCopyFailed(string newcomer, string donor, string reason);

    [LoggerMessage(LogLevel.Warning, "{Reporter} lost {Lost} in generation {Generation}: {Reason}")]
    private partial void LogPeerLost(string reporter, string lost, long generation, string reason);

    [LoggerMessage(LogLevel.Warning, "{Member} finds nobody who holds the moments of slice {Slice} after step {Step}")]
    private partial void LogMomentsMissing(string member, int slice, long step);

    [LoggerMessage(LogLevel.Warning, "{Member} has shown no sign for {Seconds} s")]
    private partial void LogStalled(string member, double seconds);

    [LoggerMessage(LogLevel.Warning, "The silo of {Member} is declared dead: {Reason}")]
    private partial void LogDead(string member, string reason);

    [LoggerMessage(LogLevel.Warning, "Replica {Member} is refused: {Reason}")]
    private partial void LogRefused(string member, string reason);

    [LoggerMessage(LogLevel.Information, "Replica {Member} has left")]
    private partial void LogReleased(string member);

    [LoggerMessage(LogLevel.Warning, "Replica {Member} cannot leave: {Reason}")]
    private partial void LogDrainRefused(string member, string reason);

    [LoggerMessage(LogLevel.Warning, "The store does not answer; training waits: {Reason}")]
    private partial void LogStoreOut(string reason);

    [LoggerMessage(LogLevel.Warning, "Another activation is in charge: {Reason}")]
    private partial void LogDeactivated(string reason);

    [LoggerMessage(LogLevel.Error, "The run stops: {Reason}")]
    private partial void LogStopped(string reason);
}
