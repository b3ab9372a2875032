using System.Diagnostics;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Cluster.Cli.Benchmarks;

/// <summary>
/// How fast threads can read: each of them its own part of one buffer, front to back, in one stream or in four at once, whichever is faster,
/// doing nothing else. What decoding a token could reach at best, since it reads every weight once.
/// </summary>
internal sealed unsafe class ReadBandwidth : IDisposable
{
    private const int Streams = 4;
    private readonly byte* _memory;
    private readonly long _bytes;
    private readonly Thread[] _threads;
    private readonly Barrier _barrier;
    private readonly long[] _sums;
    private bool _stopping, _fourStreams;

    /// <param name="bytes">Size of the buffer.</param>
    /// <param name="threads">Threads, the caller's included.</param>
    public ReadBandwidth(long bytes, int threads)
    {
        var unit = threads * Streams * 256L;
        _bytes = (bytes + unit - 1) / unit * unit;
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

    /// <summary>Reads the buffer a few times in either way; bytes per second of the fastest time.</summary>
    public double Measure(int times)
    {
        double best = 0;
        for (var i = 0; i < 2 * times; i++)
        {
            _fourStreams = i % 2 == 1;
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
        var at = _memory + thread * share;
        _sums[thread] = _fourStreams ? ReadFour(at, share / Streams) : ReadOne(at, share);
    }

    private static long ReadOne(byte* at, long bytes)
    {
        Vector512<long> a = default, b = default, c = default, d = default;
        for (var end = at + bytes; at < end; at += 256)
        {
            if (Sse.IsSupported)
                Sse.Prefetch0(at + 2048);
            a += Vector512.Load((long*)at);
            b += Vector512.Load((long*)at + 8);
            c += Vector512.Load((long*)at + 16);
            d += Vector512.Load((long*)at + 24);
        }

        return Vector512.Sum(a + b + c + d);
    }

    /// <summary>Four parts at once: a core looks ahead in each.</summary>
    private static long ReadFour(byte* at, long part)
    {
        Vector512<long> a = default, b = default, c = default, d = default, e = default, f = default, g = default, h = default;
        for (var end = at + part; at < end; at += 128)
        {
            a += Vector512.Load((long*)at);
            b += Vector512.Load((long*)at + 8);
            c += Vector512.Load((long*)(at + part));
            d += Vector512.Load((long*)(at + part) + 8);
            e += Vector512.Load((long*)(at + 2 * part));
            f += Vector512.Load((long*)(at + 2 * part) + 8);
            g += Vector512.Load((long*)(at + 3 * part));
            h += Vector512.Load((long*)(at + 3 * part) + 8);
        }

        return Vector512.Sum(a + b + c + d + (e + f + g + h));
    }

    [DllImport("libc", EntryPoint = "madvise")]
    private static extern int Advise(void* address, nuint length, int advice);
}
