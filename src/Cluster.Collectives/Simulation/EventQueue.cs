namespace Cluster.Collectives.Simulation;

internal enum EventKind : byte
{
    ToCoordinator, ToReplica, StoreWrite, StoreWritten, StoreReadAsked, StoreReadDone, ProbeDone, LaneDone, PartAsked, PartCame, PartBroke,
    CopyAsked, CopyReadAgain, CopyCame, CopyBroke, RemindReplica, RemindCoordinator, Poll, Fault, FaultEnds, DeclaredDead, MemberDead,
}

/// <summary>Something that happens at a time to somebody.</summary>
/// <param name="Time">When.</param>
/// <param name="Order">Breaks ties: first scheduled, first handled.</param>
/// <param name="Kind">What.</param>
/// <param name="At">A process, or an activation for the store's answers and reminders.</param>
/// <param name="From">The other side.</param>
/// <param name="Number">A number of the kind's own.</param>
/// <param name="Payload">A message.</param>
internal readonly record struct SimulatedEvent(int Time, int Order, EventKind Kind, int At, int From, long Number, object? Payload);

/// <summary>The events to come, a binary heap by (time, order).</summary>
internal sealed class EventQueue
{
    private SimulatedEvent[] _heap = new SimulatedEvent[256];

    public int Count { get; private set; }

    public void Add(in SimulatedEvent added)
    {
        if (Count == _heap.Length)
            Array.Resize(ref _heap, 2 * Count);
        var place = Count++;
        while (place > 0)
        {
            var parent = (place - 1) / 2;
            if (!Before(added, _heap[parent]))
                break;
            _heap[place] = _heap[parent];
            place = parent;
        }

        _heap[place] = added;
    }

    public SimulatedEvent Take()
    {
        var first = _heap[0];
        var last = _heap[--Count];
        _heap[Count] = default;
        var place = 0;
        while (true)
        {
            var child = 2 * place + 1;
            if (child >= Count)
                break;
            if (child + 1 < Count && Before(_heap[child + 1], _heap[child]))
                child++;
            if (!Before(_heap[child], last))
                break;
            _heap[place] = _heap[child];
            place = child;
        }

        _heap[place] = last;
        return first;
    }

    private static bool Before(in SimulatedEvent a, in SimulatedEvent b) => a.Time < b.Time || (a.Time == b.Time && a.Order < b.Order);
}
