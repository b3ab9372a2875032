// Enters: faults to come, and where each replica of this silo is. Leaves: faults at the place and step they were armed for, and a
// ledger of what the replicas did. Does not know: which faults make sense, what came of them.
using System.Text;
using Cluster.Collectives.Exchange;
using Cluster.Core.Faults;
using Cluster.Core.Runs;
using Cluster.ServiceDefaults;
using Cluster.Silo.DataPlane;

namespace Cluster.Silo.Faults;

/// <summary>Faults of one silo's process.</summary>
public sealed class FaultInjector : IDisposable
{
    private const string FaultsName = "faults";
    private readonly ExchangeHub _hub;
    private readonly SecondCoordinator _second;
    private readonly FileStream _work, _faults;
    private readonly Lock _gate = new();
    private readonly List<Fault> _armed = [];
    private readonly List<(Fault Fault, long Until)> _lasting = [];
    private bool _diskIsFull;

    /// <param name="folder">Where the ledger goes; made if it is not there.</param>
    /// <param name="hub">The process's data plane.</param>
    /// <param name="second">Takes the coordinator's record over.</param>
    internal FaultInjector(string folder, ExchangeHub hub, SecondCoordinator second)
    {
        (_hub, _second) = (hub, second);
        Directory.CreateDirectory(folder);
        _work = Open("work");
        _faults = Open(FaultsName);

        // Unbuffered: a line that was written is the system's, whatever becomes of the process.
        FileStream Open(string name) =>
            new(Path.Combine(folder, $"{Environment.ProcessId}-{name}.jsonl"), FileMode.Append, FileAccess.Write, FileShare.Read, bufferSize: 0);
    }

    /// <summary>Has the replica's thread stand still.</summary>
    internal Action<TimeSpan> Sleep { get; init; } = Thread.Sleep;

    /// <summary>The ledgers of a folder.</summary>
    /// <param name="folder">Of silos that have faults.</param>
    /// <param name="job">Whose lines are wanted: run/stage.</param>
    /// <param name="onlyFaults">Only those of faults, which are few.</param>
    public static IReadOnlyList<LedgerEntry> Read(string folder, string job, bool onlyFaults = false) =>
        [.. Directory.GetFiles(folder, onlyFaults ? $"*-{FaultsName}.jsonl" : "*.jsonl").SelectMany(RunJson.ReadLines<LedgerEntry>).Where(entry => entry.Job == job)];

    /// <summary>Arms a fault.</summary>
    public void Arm(Fault fault)
    {
        lock (_gate)
            _armed.Add(fault);
    }

    /// <summary>The watch of a replica.</summary>
    public IStepWatch Watch(string job, string member) => new ReplicaWatch(this, job, member);

    /// <summary>To be called before a checkpoint is written.</summary>
    /// <exception cref="IOException">The disk is said to be full.</exception>
    public void BeforeCheckpoint()
    {
        lock (_gate)
        {
            if (!_diskIsFull)
                return;
            _diskIsFull = false;
        }

        throw new IOException("No space left on device (as a fault that was asked for).");
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _work.Dispose();
        _faults.Dispose();
    }

    private void Note(LedgerEntry entry)
    {
        var line = Encoding.UTF8.GetBytes(RunJson.Line(entry) + "\n");
        var file = entry.Event == LedgerEvent.Fault ? _faults : _work;
        lock (file)
            file.Write(line);
    }

    private void Reached(string job, string member, StepPhase phase, long step)
    {
        Fault? due;
        double slow;
        lock (_gate)
        {
            due = _armed.Find(fault => fault.Phase == phase && step >= fault.Step);
            slow = _lasting.Where(lasting => lasting.Fault.Phase == phase && step < lasting.Until).Sum(lasting => lasting.Fault.Seconds);
            if (due is not null)
                _armed.Remove(due);
            if (due is { Kind: FaultKind.Slow, Steps: > 0 })
                _lasting.Add((due, step + due.Steps));
        }

        if (slow > 0)
            Sleep(TimeSpan.FromSeconds(slow));
        if (due is null)
            return;
        Note(new LedgerEntry(LedgerEvent.Fault, LedgerEntry.Now, job, member, step, Fault: due));
        switch (due.Kind)
        {
            case FaultKind.Kill:
                Posix.Kill(Environment.ProcessId);
                break;
            case FaultKind.Hang:
                Posix.Stop(Environment.ProcessId);
                break;
            case FaultKind.Slow:
                Sleep(TimeSpan.FromSeconds(due.Seconds));
                break;
            case FaultKind.Disconnect:
                _hub.Disturb(ConnectionFault.Close);
                break;
            case FaultKind.CorruptFrame:
                _hub.Disturb(ConnectionFault.CorruptFrame);
                break;
            case FaultKind.FullDisk:
                lock (_gate)
                    _diskIsFull = true;
                break;
            case FaultKind.SecondCoordinator:
                _second.TakeOverAsync(job).GetAwaiter().GetResult();
                break;
            default:
                throw new ArgumentException($"{due.Kind} is no fault.", nameof(phase));
        }
    }

    private sealed class ReplicaWatch(FaultInjector injector, string job, string member) : IStepWatch
    {
        public void Reached(StepPhase phase, long step)
        {
            if (phase == StepPhase.Commit)
                injector.Note(new LedgerEntry(LedgerEvent.Committed, LedgerEntry.Now, job, member, step));
            injector.Reached(job, member, phase, step);
        }

        public void Computed(long step, int lane) => injector.Note(new LedgerEntry(LedgerEvent.Computed, LedgerEntry.Now, job, member, step, lane));

        public void Applied(long step) => injector.Note(new LedgerEntry(LedgerEvent.Applied, LedgerEntry.Now, job, member, step));
    }
}
