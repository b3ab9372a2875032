// Enters: a job in numbered shares. Leaves: nothing but its effects. Does not know: what is done.

using System.Runtime.ExceptionServices;

namespace Cluster.Data.Tokens;

/// <summary>
/// Threads that help the caller with jobs of some microseconds, thousands of them. Shares are taken by whoever is there: a helper that has
/// no core, or is still waking up, leaves them to the caller, which waits only for shares that a helper has begun. Hence on a busy machine
/// a job costs little more than without help. A helper looks for work for a while, then sleeps.
/// </summary>
internal sealed class HelperTeam : IDisposable
{
    /// <summary>Looks with a short pause between them before a thread sleeps, or gives its core away: tens of microseconds.</summary>
    private const int Spins = 2_000;

    // Words that several threads write, each in a cache line of its own; the line before keeps the array's header apart.
    private const int Line = 16, LeftAt = Line, DoneAt = 2 * Line, AsleepAt = 3 * Line;

    private readonly int[] _shared;
    private readonly SemaphoreSlim[] _wake;
    private readonly Thread[] _threads;
    private Action<int> _job = _ => { };
    private Exception? _failure;
    private volatile bool _stopping;

    /// <param name="helpers">Threads besides the caller; 0 or more.</param>
    public HelperTeam(int helpers)
    {
        _shared = new int[AsleepAt + (helpers + 1) * Line];
        _wake = [.. Enumerable.Range(0, helpers).Select(_ => new SemaphoreSlim(0))];
        _threads =
        [
            .. Enumerable.Range(0, helpers).Select(helper => new Thread(() => Help(helper)) { IsBackground = true, Name = $"helper {helper}" }),
        ];
        foreach (var thread in _threads)
            thread.Start();
    }

    /// <summary>
    /// Calls <paramref name="job"/> once with each number below <paramref name="shares"/>. Returns, or throws what one of them threw, when all
    /// are done. For one caller at a time.
    /// </summary>
    public void Run(int shares, Action<int> job)
    {
        if (shares == 1)
        {
            job(0);
            return;
        }

        _job = job;
        _shared[DoneAt] = 0;
        // A full fence: a helper that goes to sleep either sees this or is seen asleep below.
        Interlocked.Exchange(ref _shared[LeftAt], shares);
        for (var helper = 0; helper < Math.Min(_threads.Length, shares - 1); helper++)
            Wake(helper);
        while (TakeShare())
        {
        }

        for (var i = 0; Volatile.Read(ref _shared[DoneAt]) != shares; i++)
        {
            if (i < Spins)
                Thread.SpinWait(1);
            else
                Thread.Yield();
        }

        if (_failure is { } failure)
        {
            _failure = null;
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    public void Dispose()
    {
        _stopping = true;
        Interlocked.MemoryBarrier();
        for (var helper = 0; helper < _threads.Length; helper++)
            Wake(helper);
        foreach (var thread in _threads)
            thread.Join();
        foreach (var wake in _wake)
            wake.Dispose();
    }

    private void Wake(int helper)
    {
        ref var asleep = ref _shared[AsleepAt + helper * Line];
        if (Volatile.Read(ref asleep) != 0 && Interlocked.Exchange(ref asleep, 0) != 0)
            _wake[helper].Release();
    }

    private void Help(int helper)
    {
        ref var asleep = ref _shared[AsleepAt + helper * Line];
        while (true)
        {
            for (var i = 0; i < Spins; i++)
            {
                if (TakeShare())
                    i = 0;
                else
                    Thread.SpinWait(1);
            }

            if (_stopping)
                return;
            Interlocked.Exchange(ref asleep, 1);
            if ((Volatile.Read(ref _shared[LeftAt]) > 0 || _stopping) && Interlocked.Exchange(ref asleep, 0) != 0)
                continue;
            _wake[helper].Wait(); // released by whoever took the flag away
        }
    }

    /// <summary>Does one share if there is one. A share taken keeps its job from ending, hence the job is read after it.</summary>
    private bool TakeShare()
    {
        ref var left = ref _shared[LeftAt];
        int share;
        do
        {
            share = Volatile.Read(ref left) - 1;
            if (share < 0)
                return false;
        }
        while (Interlocked.CompareExchange(ref left, share, share + 1) != share + 1);

        try
        {
            _job(share);
        }
        catch (Exception e)
        {
            // The caller throws it when no thread is at work any more on what it is about to free.
            Interlocked.CompareExchange(ref _failure, e, null);
        }

        Interlocked.Increment(ref _shared[DoneAt]);
        return true;
    }
}
