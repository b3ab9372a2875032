using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Simulation;

/// <summary>An activation of the coordinator: drives the real <see cref="StepCoordinator"/> as its grain does.</summary>
internal sealed class SimulatedCoordinator
{
    /// <summary>Quick, for runs are short.</summary>
    private static readonly LaneBalanceOptions s_balancing = new() { Window = 1, Persistence = 2, Rest = 2 };

    private readonly SimulatedWorld _world;
    private readonly StepCoordinator _machine;
    private readonly LaneBalance _balance = new(s_balancing);
    private readonly DivisionWatch _divisions = new(s_balancing);
    private readonly uint _nonce;
    private readonly Dictionary<string, int> _awaitedSince = new(StringComparer.Ordinal);
    private readonly List<string> _stalled = [];
    private CoordinatorRecord? _unwritten;
    private BeginStep? _begun;
    private long _version, _announcedTerm;
    private bool _read;
    private int _gathering, _lossesSeen;

    public SimulatedCoordinator(SimulatedWorld world, int index, int host)
    {
        (_world, Index, Host) = (world, index, host);
        // Distinct by construction, as 24 random bits are for all that a cluster lives to see.
        _nonce = (uint)(world.Draw(1 << 16) << 8 | (index & 255));
        _machine = new StepCoordinator(_nonce, _balance);
        _world.After(1 + _world.Draw(4), EventKind.StoreReadAsked, Index, Index, 0, null);
        _world.After(_world.RemindEvery, EventKind.RemindCoordinator, Index, Index, 0, null);
    }

    public int Index { get; }

    /// <summary>The process that it lives in.</summary>
    public int Host { get; }

    /// <summary>Whether it is deactivated.</summary>
    public bool Gone { get; private set; }

    /// <summary>Whether messages still find it.</summary>
    public bool Listed { get; set; } = true;

    public StepCoordinator Machine => _machine;

    /// <summary>Lanes that it has moved to faster members.</summary>
    public long LanesMoved => _balance.MovedLanes;

    public void Receive(object message)
    {
        if (!_read)
            return; // a call to a grain that activates waits and is said again
        if (_world.Bug == PlantedBug.AcceptOldReady && message is Ready old)
            message = old with { Term = _machine.CurrentTerm, Generation = _machine.Generation };
        var past = message switch
        {
            Ready m => IsPast(m.Term, m.Generation),
            PeerLost m => IsPast(m.Term, m.Generation),
            MomentsMissing m => IsPast(m.Term, m.Generation),
            Report m => IsPast(m.Term, m.Generation),
            _ => false,
        };
        var actions = Hand(message);
        if (past)
            InvariantChecker.CoordinatorHeardThePast(actions, message);
        Do(actions);
        if (_world.Bug == PlantedBug.CommitEarly && message is Ready ready && _begun is { } begun && ready.Step == begun.Step)
        {
            for (var i = 0; i < begun.Members.Count; i++)
                Do(_machine.Receive(ready with { Member = begun.Members[i].Id, Losses = new double[begun.Assignment[i].Count] }));
        }
    }

    private bool IsPast(long term, long generation) =>
        term <= _machine.CurrentTerm && (term, generation).CompareTo((_machine.CurrentTerm, _machine.Generation)) < 0;

    private IReadOnlyList<CoordinatorAction> Hand(object message) => message switch
    {
        Ready m => _machine.Receive(m),
        Join m => _machine.Receive(m),
        Report m => _machine.Receive(m),
        Joined m => _machine.Receive(m),
        CopyFailed m => _machine.Receive(m),
        PeerLost m when _world.Bug == PlantedBug.StallMeansDead && !IsPast(m.Term, m.Generation) => _machine.Lose(m.Lost, m.Reason),
        PeerLost m => _machine.Receive(m),
        MomentsMissing m => _machine.Receive(m),
        Presence m => _machine.Receive(m),
        _ => throw new InvalidOperationException(message.ToString()),
    };

    /// <summary>The answer to the first read, or to one after a write with an unknown outcome.</summary>
    public void StoreRead(bool answered, (CoordinatorRecord? Record, long Version) content)
    {
        if (!answered)
        {
            if (_read)
                Do(_machine.StoreUnavailable("no answer"));
            else
                _world.After(40, EventKind.StoreReadAsked, Index, Index, 0, null);
            return;
        }

        _version = content.Version;
        if (_read)
        {
            Do(_machine.StoreRead(content.Record));
            return;
        }

        (_read, _lossesSeen) = (true, _world.Store.Losses);
        if (content.Record is { MomentsLost: true, Stopped: not null } lost && _world.RolledBackTo is { } steps)
        {
            // The stage's driver begins a new job, from the checkpoint.
            Do(_machine.StartJob(lost, _world.Identity with { Fingerprint = "" }, _world.Lanes, _world.Restarted,
                new CommitRecord(0, steps, "", 0), steps < _world.FirstHalt ? _world.FirstHalt : _world.Steps, _world.Sharded));
        }
        else if (content.Record is { } record)
        {
            if (_world.Bug == PlantedBug.NoNewTerm)
                record = record with { Term = record.Term - (1L << Term.NonceBits) & ~((1L << Term.NonceBits) - 1) };
            Do(_machine.TakeOver(record));
        }
        else if (!_world.Store.EverWritten || _world.Bug == PlantedBug.RecreateStore)
        {
            Do(_machine.StartJob(null, _world.Identity with { Fingerprint = "" }, _world.Lanes, _world.Starters,
                new CommitRecord(0, 0, "", 0), _world.FirstHalt, _world.Sharded));
        }
    }

    public void StoreWritten(WriteOutcome outcome, long version)
    {
        switch (outcome)
        {
            case WriteOutcome.Stored:
                _version = version;
                Do(_machine.Stored());
                break;
            case WriteOutcome.Conflict:
                Do(_machine.StoreConflict("conflict"));
                break;
            default:
                Do(_machine.StoreUnavailable("no answer"));
                break;
        }
    }

    public void ProbeDone(string member, bool answered)
    {
        if (answered)
            Do(_machine.ProbeAnswered(member));
        else
            Do(_world.Bug == PlantedBug.StallMeansDead ? _machine.Lose(member, "no answer") : _machine.ProbeFailed(member, "no answer"));
    }

    /// <summary>The membership has a silo for dead.</summary>
    public void MemberDead(string member) => Do(_machine.Lose(member, "declared dead"));

    /// <summary>An operator's or the stage driver's wish.</summary>
    public void Wish(Func<StepCoordinator, IReadOnlyList<CoordinatorAction>> wish)
    {
        if (_read)
            Do(wish(_machine));
    }

    /// <summary>The stage's driver looks in: at a halt it goes on, and it does not wait for starters for ever.</summary>
    public void Poll(bool halted)
    {
        if (!_read)
            return;
        if (_unwritten is null && _world.Store.Outages == 0)
        {
            // No job: the stage's driver was told of one that runs.
            if (_world.Store.Content.Record is null)
                _world.Stop("The coordinator knows no job.");
            else
                (Gone, Listed) = (true, false);
            return;
        }

        if (_machine.CurrentTerm > 0 && _machine.Members.Count < _world.Starters && _machine.Generation == 0 && ++_gathering > 5)
            Do(_machine.GiveUpWaiting());
        if (_machine.Resting && !halted && _machine.Committed.Steps < _world.Steps)
        {
            if (_machine.Committed.Steps >= _world.FirstHalt)
                _world.SaveCheckpoint();
            Do(_machine.Continue(_machine.Committed.Steps < _world.FirstHalt ? _world.FirstHalt : _world.Steps));
        }
    }

    public void Remind()
    {
        _world.After(_world.RemindEvery, EventKind.RemindCoordinator, Index, Index, 0, null);
        if (!_read)
            return;
        if (_world.Bug != PlantedBug.NeverRemind)
            Do(_machine.Remind());
        // Whoever is awaited for too long: at once where its heartbeats have stopped, in the end anyway.
        _stalled.Clear();
        foreach (var id in _machine.Awaited)
        {
            var since = _awaitedSince.GetValueOrDefault(id, -1);
            if (since < 0)
                continue;
            var limit = _world.HeartbeatArrives(_world.IndexOf(id), Host) ? 12 * _world.RemindEvery : _world.RemindEvery;
            if (_world.Now - since > limit)
                _stalled.Add(id);
        }

        foreach (var id in _stalled)
        {
            _awaitedSince.Remove(id);
            Do(_world.Bug == PlantedBug.StallMeansDead ? _machine.Lose(id, "stalled") : _machine.Stalled(id));
        }

        _stalled.Clear();
        _stalled.AddRange(_machine.Awaited);
        foreach (var id in _stalled)
            _awaitedSince.TryAdd(id, _world.Now);
        if (_awaitedSince.Count > _stalled.Count)
        {
            foreach (var id in _awaitedSince.Keys)
            {
                if (!_stalled.Contains(id))
                    _awaitedSince.Remove(id);
            }
        }
    }

    private void Do(IReadOnlyList<CoordinatorAction> actions)
    {
        if (_machine.CurrentTerm != _announcedTerm)
        {
            _announcedTerm = _machine.CurrentTerm;
            _world.Checker.TermTaken(_announcedTerm);
        }

        foreach (var action in actions)
        {
            if (_world.Traces && TraceWords.Of(action) is { } words)
                _world.Note($"activation {Index} in r{Host}: {words}");
            switch (action)
            {
                case CoordinatorAction.Store store:
                    // (An outcome of an earlier term is one that replicas told of, not one that was decided here.)
                    if (store.Record.Committed.Term == _begun?.Term && store.Record.Committed.Steps > _begun.Step)
                        InvariantChecker.Committing(store.Record, _begun, _world.Replicas);
                    _unwritten = store.Record;
                    _world.After(1 + _world.Draw(4), EventKind.StoreWrite, Index, Index, _version, new Write(_unwritten, _begun, _lossesSeen));
                    break;
                case CoordinatorAction.ReadStore:
                    _world.After(20 + _world.Draw(20), EventKind.StoreReadAsked, Index, Index, 0, null);
                    break;
                case CoordinatorAction.SendBegin send:
                    _begun = send.Begin;
                    _divisions.Begun(send.Begin, _world.SpeedChanges);
                    if (_world.Bug == PlantedBug.DivideTwice && send.To.Count > 1)
                    {
                        Tell([send.To[0]], send.Begin with { Assignment = OneLaneFurther(send.Begin.Assignment) });
                        Tell([.. send.To.Skip(1)], send.Begin);
                    }
                    else
                    {
                        Tell(send.To, send.Begin);
                    }

                    break;
                case CoordinatorAction.SendCommit send:
                    Tell(send.To, send.Commit);
                    break;
                case CoordinatorAction.SendQuery send:
                    Tell(send.To, send.Query);
                    break;
                case CoordinatorAction.SendCopy send:
                    _world.SendControl(EventKind.ToReplica, _world.IndexOf(send.To.Id), Host, send.Copy);
                    break;
                case CoordinatorAction.SendEvicted send:
                    _world.SendControl(EventKind.ToReplica, _world.IndexOf(send.To), Host, send.Evicted);
                    break;
                case CoordinatorAction.Refuse refuse:
                    _world.SendControl(EventKind.ToReplica, _world.IndexOf(refuse.Member.Id), Host, refuse.Reason);
                    break;
                case CoordinatorAction.Probe probe:
                    _world.After(10 + _world.Draw(30), EventKind.ProbeDone, Index, _world.IndexOf(probe.Member.Id), 0, null);
                    break;
                case CoordinatorAction.DeclareDead dead:
                    _world.DeclareDead(_world.IndexOf(dead.Member.Id), this);
                    break;
                case CoordinatorAction.Released released:
                    _world.Release(released.Member);
                    break;
                case CoordinatorAction.Stop stop:
                    _world.Stop(stop.Reason, stop.MomentsLost);
                    break;
                case CoordinatorAction.Deactivate:
                    (Gone, Listed) = (true, false);
                    break;
            }
        }
    }

    /// <summary>The division in which the first member has a lane of the next.</summary>
    private static LaneAssignment OneLaneFurther(LaneAssignment assignment)
    {
        int[] counts = [.. assignment.Ranges.Select(range => range.Count)];
        if (counts[1] > 0)
            (counts[0], counts[1]) = (counts[0] + 1, counts[1] - 1);
        return LaneAssignment.InOrder(counts);
    }

    private void Tell(IReadOnlyList<Member> members, object message)
    {
        foreach (var member in members)
            _world.SendControl(EventKind.ToReplica, _world.IndexOf(member.Id), Host, message);
    }
}

/// <summary>A write on its way, with the step that it commits and how often the store had lost data when its activation began.</summary>
internal sealed record Write(CoordinatorRecord Record, BeginStep? Begun, int LossesSeen);

internal enum WriteOutcome
{
    Stored,
    Conflict,
    Unknown,
}
