using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Cluster.Cli.Benchmarks;

/// <summary>
/// How fast threads can read: each of them its own part of one buffer, front to back, doing nothing else. What decoding a token could reach
/// at best, since it reads every weight once.
/// </summary>
internal sealed unsafe class ReadBandwidth : IDisposable
{
    private readonly byte* _memory;
    private readonly long _bytes;
    private readonly Thread[] _threads;
    private readonly Barrier _barrier;
    private readonly long[] _sums;
    private bool _stopping;

    /// <param name="bytes">Size of the buffer.</param>
    /// <param name="threads">Threads, the caller's included.</param>
    public ReadBandwidth(long bytes, int threads)
    {
        _bytes = (bytes + threads * 1024 - 1) / (threads * 1024) * threads * 1024;
        _memory = (byte*)NativeMemory.AlignedAlloc((nuint)_bytes, 1 << 21);
        if (OperatingSystem.IsLinux())
            _ = Advise(_memory, (nuint)_bytes, 14); // MADV_HUGEPAGE, as the weights' memory
        NativeMemory.Fill(_memory, (nuint)_bytes, 1);
        _sums = new long[threads];
        _barrier = new Barrier(threads);
        _threads = [.. Enumerable.Range(1, threads - 1).Select(number => new Thread(() => Work(number)) { IsBackground = true })];
        foreach (var thread in _threads)
            thread.Start();
    }

    /// <summary>Reads the buffer a few times; bytes per second of the fastest time.</summary>
    public double Measure(int times)
    {
        double best = 0;
        for (var i = 0; i < times; i++)
        {
            _barrier.SignalAndWait();
            var start = Stopwatch.GetTimestamp();
            Read(0);
            _barrier.SignalAndWait();
            best = Math.Max(best, _bytes / Stopwatch.GetElapsedTime(start).TotalSeconds);
        }

        return best;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _stopping = true;
        _barrier.SignalAndWait();
        foreach (var thread in _threads)
            thread.Join();
        _barrier.Dispose();
        NativeMemory.AlignedFree(_memory);
    }

    private void Work(int thread)
    {
        while (true)
        {
            _barrier.SignalAndWait();
            if (_stopping)
                return;
            Read(thread);
            _barrier.SignalAndWait();
        }
    }

    private void Read(int thread)
    {
        var share = _bytes / _sums.Length;
        long* at = (long*)(_memory + thread * share), end = (long*)(_memory + (thread + 1) * share);
        Vector512<long> a = default, b = default, c = default, d = default;
        for (; at < end; at += 32)
        {
            if (Sse.IsSupported)
                Sse.Prefetch0(at + 256);
            a += Vector512.Load(at);
            b += Vector512.Load(at + 8);
            c += Vector512.Load(at + 16);
            d += Vector512.Load(at + 24);
        }

        _sums[thread] = Vector512.Sum(a + b + c + d);
    }

    [DllImport("libc", EntryPoint = "madvise")]
    private static extern int Advise(void* address, nuint length, int advice);
}
