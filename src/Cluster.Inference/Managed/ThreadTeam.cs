// A few threads that do the same job together, with barriers of well under a microsecond while all of them have a core. Enters: a job,
// called once per thread. Leaves: nothing but its effects. Does not know: what is computed.
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Cluster.Inference.Managed;

/// <summary>
/// Threads that wait for each other by spinning for a while, then by giving their core away, then by sleeping. Each thread publishes how
/// many barriers it has reached in a cache line of its own, so that a barrier costs one line from each of the others. Between jobs the
/// team's threads wait at a barrier like any other; the caller is thread 0.
/// </summary>
internal sealed unsafe class ThreadTeam : IDisposable
{
    /// <summary>Between two looks a pause of about 40 cycles: some 25 µs, longer than a thread's share of a small product.</summary>
    private const int Spins = 2_000;

    /// <summary>
    /// Looks with the core offered to others between them. What is waited for has lost its core then, or there is no job; under load a
    /// thread that sleeps pays for its waking, one that spins on takes the core from the one that it waits for.
    /// </summary>
    private const int Yields = 50;

    private const int Line = 16;
    private readonly int* _reached, _asleep;
    private readonly SemaphoreSlim[] _wake;
    private readonly Thread[] _threads;
    private readonly Action<int> _job;
    private bool _alone, _stopping, _disposed;

    /// <param name="count">Threads, the caller's included; at least 1.</param>
    /// <param name="job">What each of them does in <see cref="Run"/>, given its number. It must not throw.</param>
    public ThreadTeam(int count, Action<int> job)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(count, 1);
        (Count, _job) = (count, job);
        _reached = (int*)NativeMemory.AlignedAlloc((nuint)(2 * count * Line * sizeof(int)), 64);
        NativeMemory.Clear(_reached, (nuint)(2 * count * Line * sizeof(int)));
        _asleep = _reached + count * Line;
        _wake = [.. Enumerable.Range(0, count).Select(_ => new SemaphoreSlim(0))];
        _threads = [.. Enumerable.Range(1, count - 1).Select(number => new Thread(() => Work(number)) { IsBackground = true, Name = $"decode {number}" })];
        foreach (var thread in _threads)
            thread.Start();
    }

    /// <summary>Threads, the caller's included.</summary>
    public int Count { get; }

    /// <summary>Does the job on all threads, or as thread 0 of one; returns when it is done.</summary>
    /// <param name="alone">Leaves the others where they are.</param>
    public void Run(bool alone)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        // Read by the caller's thread only: the others wait for the next job.
        _alone = alone;
        if (alone)
        {
            _job(0);
            return;
        }

        Barrier(0);
        _job(0);
        Barrier(0);
    }

    /// <summary>Waits until all threads have called this equally often; what they wrote before is seen after.</summary>
    /// <param name="thread">The caller's number.</param>
    public void Barrier(int thread)
    {
        if (Count == 1 || (thread == 0 && _alone))
            return;
        var own = _reached + thread * Line;
        var target = *own + 1;
        // A full fence: whoever goes to sleep either sees this or is seen asleep below.
        Interlocked.Exchange(ref *own, target);
        for (var other = 0; other < Count; other++)
        {
            if (Volatile.Read(ref _asleep[other * Line]) != 0 && Interlocked.Exchange(ref _asleep[other * Line], 0) != 0)
                _wake[other].Release();
        }

        for (var other = 0; other < Count; other++)
        {
            if (other != thread)
                Await(thread, ref _reached[other * Line], target);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        (_disposed, _stopping, _alone) = (true, true, false);
        Barrier(0);
        foreach (var thread in _threads)
            thread.Join();
        foreach (var wake in _wake)
            wake.Dispose();
        NativeMemory.AlignedFree(_reached);
    }

    private void Work(int number)
    {
        while (true)
        {
            Barrier(number);
            if (_stopping)
                return;
            _job(number);
            Barrier(number);
        }
    }

    private void Await(int thread, ref int reached, int target)
    {
        // The counts may wrap; they are never apart by more than 1.
        for (var i = 0; i < Spins; i++)
        {
            if (Volatile.Read(ref reached) - target >= 0)
                return;
            if (X86Base.IsSupported)
                X86Base.Pause();
            else
                Thread.SpinWait(4);
        }

        for (var i = 0; i < Yields; i++)
        {
            if (Volatile.Read(ref reached) - target >= 0)
                return;
            Thread.Yield();
        }

        while (Volatile.Read(ref reached) - target < 0)
        {
            ref var asleep = ref _asleep[thread * Line];
            Interlocked.Exchange(ref asleep, 1);
            if (Volatile.Read(ref reached) - target >= 0 && Interlocked.Exchange(ref asleep, 0) != 0)
                return;
            _wake[thread].Wait(); // released by whoever took the flag away
        }
    }
}
