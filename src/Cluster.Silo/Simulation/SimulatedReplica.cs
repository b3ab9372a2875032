// Enters: the coordinator's messages. Leaves: what ReplicaStepMachine says to it, after the time that the work would have taken.
// Does not know: tensors, gradients, how messages travel. Bits are hashes of (seed, step).
using System.IO.Hashing;
using System.Text;
using Cluster.Collectives.Protocol;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Core.Randomness;
using Cluster.Silo.Training;

namespace Cluster.Silo.Simulation;

/// <summary>What a simulated replica has besides its work.</summary>
/// <param name="Identity">Of its run.</param>
/// <param name="Address">By which the coordinator finds its silo.</param>
/// <param name="Coordinator">Its way to the coordinator.</param>
/// <param name="Tokens">Of a step and lane, from the shards.</param>
/// <param name="Ledger">Of its silo.</param>
/// <param name="Time">By which it works.</param>
/// <param name="Steps">Of the schedule: no tokens are asked for beyond it.</param>
internal sealed record SimulatedSurroundings(
    RunIdentity Identity, string Address, ICoordinatorPort Coordinator, Func<long, int, Task<LaneTokens>> Tokens, SimulationLedger Ledger, TimeProvider Time, long Steps);

/// <summary>
/// A replica that computes nothing: it runs the real machine of the protocol, takes its lanes' tokens from the real shards, and sleeps
/// for as long as the lanes and copies would take. Like the real one it finishes the lane at hand when a generation begins, keeps the
/// lanes that it has, and computes the missing ones. It fails after exponentially distributed times and offers itself again under a new name.
/// </summary>
internal sealed class SimulatedReplica : ILocalReplica
{
    /// <summary>How often a replica that hears nothing says again what it said last, as the real one's host has it.</summary>
    private static readonly TimeSpan s_reminder = TimeSpan.FromSeconds(1);

    private readonly Lock _gate = new();
    private readonly string _key;
    private readonly SimulatedWork _work;
    private readonly CounterRandom _random;
    private readonly SimulatedSurroundings _around;
    private readonly ITimer _lane, _copy, _life, _reminder;
    private readonly HashSet<int> _held = [];
    private readonly Dictionary<int, (long Step, Task<LaneTokens> Tokens)> _ahead = [];
    private ReplicaStepMachine _machine;
    private Member _member;
    private ulong _lives;
    private (long Step, int Lane)? _computing;
    private CopyState? _copying;
    private long _heldStep = -1, _heardAt;
    private (double Seconds, int Lanes) _computed;
    private bool _isDown, _isOver, _mayFail;

    /// <param name="key">Its grain key.</param>
    /// <param name="job">What it works on.</param>
    /// <param name="work">How.</param>
    /// <param name="around">What it has besides.</param>
    public SimulatedReplica(string key, TrainingJob job, SimulatedWork work, SimulatedSurroundings around)
    {
        (_key, Job, _work, _around) = (key, job, work, around);
        // Every replica of every silo has times of its own.
        _random = new CounterRandom(work.Seed, RandomPurpose.Synthetic, XxHash3.HashToUInt64(Encoding.UTF8.GetBytes(key)));
        _lane = around.Time.CreateTimer(_ => Locked(LaneDone), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _copy = around.Time.CreateTimer(_ => Locked(CopyDone), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _life = around.Time.CreateTimer(_ => Locked(FailOrReturn), null, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _reminder = around.Time.CreateTimer(_ => Locked(Remind), null, s_reminder, s_reminder);
        lock (_gate)
            (_member, _machine) = Live(job.FirstStep);
    }

    /// <inheritdoc/>
    public Member Member => Volatile.Read(ref _member);

    /// <inheritdoc/>
    public TrainingJob Job { get; }

    /// <inheritdoc/>
    public void Post(BeginStep begin)
    {
        if (begin.Members.PlaceOf(Member.Id) >= 0)
            Hear(m => m.Receive(begin));
    }

    /// <inheritdoc/>
    public void Post(Commit commit) => Hear(m => m.Receive(commit));

    /// <inheritdoc/>
    public void Post(Query query) => Hear(m => m.Receive(query));

    /// <inheritdoc/>
    public void Post(CopyState copy) => Hear(m => m.Receive(copy));

    /// <inheritdoc/>
    public void Post(Evicted evicted) => Hear(m => m.Receive(evicted));

    /// <inheritdoc/>
    public void Refused(string reason) => Hear(m => m.Refused(reason));

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        lock (_gate)
            _isOver = true;
        await _lane.DisposeAsync();
        await _copy.DisposeAsync();
        await _life.DisposeAsync();
        await _reminder.DisposeAsync();
    }

    private void Locked(Action act)
    {
        lock (_gate)
        {
            if (!_isOver)
                act();
        }
    }

    private void Hear(Func<ReplicaStepMachine, IReadOnlyList<ReplicaAction>> decide) => Locked(() =>
    {
        if (_isDown)
            return;
        _heardAt = _around.Time.GetTimestamp();
        Do(decide(_machine));
    });

    private void Remind()
    {
        // A busy one answers when it is done.
        if (!_isDown && _computing is null && _around.Time.GetElapsedTime(_heardAt) >= s_reminder)
            Do(_machine.Remind());
    }

    /// <summary>A life begins: under a new name, with the state of so many steps, or none.</summary>
    private (Member, ReplicaStepMachine) Live(long applied)
    {
        _ahead.Clear();
        var member = new Member(ReplicaKey.MemberId(_key, (uint)Random.Shared.NextInt64(1L << 32)), _around.Address);
        (_member, _machine, _heldStep, _computing, _copying, _isDown) = (member, new ReplicaStepMachine(member, _around.Identity, applied), -1, null, null, false);
        _held.Clear();
        _heardAt = _around.Time.GetTimestamp();
        // Before there is a first step nobody holds anything that could be lost.
        _mayFail = applied < 0;
        if (_mayFail)
            SetEnd();
        Do(_machine.Start());
        return (member, _machine);
    }

    private void SetEnd()
    {
        if (_work.MeanSecondsBetweenFailures > 0)
            _life.Change(Span(-Math.Log(1 - _random.Double(_lives++)) * _work.MeanSecondsBetweenFailures), Timeout.InfiniteTimeSpan);
    }

    /// <summary>As a worker whose device fails: its process tells the coordinator, and a new one takes its place.</summary>
    private void FailOrReturn()
    {
        if (_isDown)
        {
            Live(-1);
            return;
        }

        _isDown = true;
        _lane.Change(Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
        _around.Ledger.Failed(_around.Time.GetTimestamp());
        _around.Coordinator.Failed(_member.Id, new InvalidOperationException("It was to fail."));
        _life.Change(Span(_work.RestartSeconds), Timeout.InfiniteTimeSpan);
    }

    private void Do(IReadOnlyList<ReplicaAction> actions)
    {
        foreach (var action in actions)
        {
            switch (action)
            {
                case ReplicaAction.Apply apply:
                    _around.Ledger.Applied(apply.Step, _heardAt);
                    break;
                case ReplicaAction.Work work:
                    if (!_mayFail)
                        SetEnd();
                    _mayFail = true;
                    if (work.Begin.Committed is { GradientHash: { Length: > 0 } hash } committed && hash != SimulatedBits.Gradient(_work.Seed, committed.Steps - 1))
                        _around.Ledger.FoundWrong();
                    if (_heldStep != work.Begin.Step)
                    {
                        _heldStep = work.Begin.Step;
                        _held.Clear();
                    }

                    var range = work.Begin.Assignment[work.Begin.Members.PlaceOf(_member.Id)];
                    _held.RemoveWhere(lane => !range.Contains(lane));
                    _computed = default;
                    WorkOn();
                    break;
                case ReplicaAction.Abandon:
                    break;
                case ReplicaAction.Copy copy:
                    _copying = copy.From;
                    _copy.Change(Span(_work.CopySeconds), Timeout.InfiniteTimeSpan);
                    break;
                case ReplicaAction.SendJoin send:
                    _around.Coordinator.Send(send with { Join = send.Join with { StateHash = SimulatedBits.State(_work.Seed, send.Join.Steps) } });
                    break;
                case ReplicaAction.SendReport send:
                    _around.Coordinator.Send(send with { Report = send.Report with { StateHash = SimulatedBits.State(_work.Seed, send.Report.Applied) } });
                    break;
                case ReplicaAction.SendReady send:
                    _around.Ledger.Ready(send.Ready.Step, _around.Time.GetTimestamp());
                    _around.Coordinator.Send(action);
                    break;
                case ReplicaAction.Quit quit:
                    _isDown = true;
                    _around.Ledger.FoundWrong();
                    _around.Coordinator.Failed(_member.Id, new InvalidOperationException(quit.Reason));
                    break;
                default:
                    _around.Coordinator.Send(action);
                    break;
            }
        }
    }

    /// <summary>Goes on with the first lane that is missing; says so where none is.</summary>
    private void WorkOn()
    {
        if (_machine.Current is not { } begin || _computing is not null)
            return;
        var range = begin.Assignment[begin.Members.PlaceOf(_member.Id)];
        for (var lane = range.Start; lane < range.End; lane++)
        {
            if (_held.Contains(lane))
                continue;
            _computing = (begin.Step, lane);
            var tokens = _ahead.Remove(lane, out var ahead) && ahead.Step == begin.Step ? ahead.Tokens : _around.Tokens(begin.Step, lane);
            if (begin.Step + 1 < _around.Steps)
                _ahead[lane] = (begin.Step + 1, _around.Tokens(begin.Step + 1, lane));
            if (tokens.IsCompleted)
                Compute(tokens, (begin.Step, lane));
            else
                _ = tokens.ContinueWith(done => Locked(() => Compute(done, (begin.Step, lane))), CancellationToken.None, TaskContinuationOptions.None, TaskScheduler.Default);
            return;
        }

        var losses = new double[range.Count];
        for (var i = 0; i < losses.Length; i++)
            losses[i] = SimulatedBits.Loss(_work.Seed, begin.Step, range.Start + i);
        Do(_machine.Reduced(
            begin, SimulatedBits.Gradient(_work.Seed, begin.Step), losses, 1, _computed.Lanes == 0 ? 0 : _computed.Seconds / _computed.Lanes));
    }

    private void Compute(Task<LaneTokens> tokens, (long Step, int Lane) work)
    {
        if (_isDown || _computing != work)
            return;
        if (!tokens.IsCompletedSuccessfully)
        {
            _around.Coordinator.Failed(_member.Id, tokens.Exception!);
            _isDown = true;
            return;
        }

        var longer = _work.Jitter * _random.Double((1UL << 32) + (ulong)work.Step * 65_536 + (ulong)work.Lane);
        var seconds = _work.LaneSeconds * (1 + longer);
        _computed = (_computed.Seconds + seconds, _computed.Lanes + 1);
        _lane.Change(Span(seconds), Timeout.InfiniteTimeSpan);
    }

    private void LaneDone()
    {
        if (_isDown || _computing is not { } done)
            return;
        _computing = null;
        if (done.Step == _heldStep)
            _held.Add(done.Lane);
        WorkOn();
    }

    private void CopyDone()
    {
        if (!_isDown && _copying is { } copy)
            Do(_machine.Copied(copy, SimulatedBits.State(_work.Seed, copy.Committed.Steps)));
    }

    private static TimeSpan Span(double seconds) => TimeSpan.FromSeconds(Math.Min(seconds, 1e6));
}
