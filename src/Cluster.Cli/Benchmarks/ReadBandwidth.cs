using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Cluster.Cli.Benchmarks;

/// <summary>
/// How fast threads can read: each of them its own part of one buffer, front to back, in one stream or in two side by side, whichever is
/// faster, doing nothing else. What decoding a token could reach at best, since it reads every weight once. (Streams that are megabytes apart,
/// and prefetching by instructions, read at half that speed on the machines that this was tried on.)
/// </summary>
internal sealed unsafe class ReadBandwidth : IDisposable
{
    /// <summary>Bytes from one of two streams to the other, of the order of a panel of weights.</summary>
    private const int Apart = 1 << 17;

    private readonly byte* _memory;
    private readonly long _bytes;
    private readonly Thread[] _threads;
    private readonly Barrier _barrier;
    private readonly long[] _sums;
    private bool _stopping, _twoStreams;

    /// <param name="bytes">Size of the buffer.</param>
    /// <param name="threads">Threads, the caller's included.</param>
    public ReadBandwidth(long bytes, int threads)
    {
        var unit = threads * 2L * Apart;
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

    /// <summary>Reads the buffer a few times in either way; bytes per second of each time.</summary>
    public (double[] OneStream, double[] TwoStreams) Measure(int times)
    {
        var (one, two) = (new double[times], new double[times]);
        for (var i = 0; i < 2 * times; i++)
        {
            _twoStreams = i % 2 == 1;
            _barrier.SignalAndWait();
            var start = Stopwatch.GetTimestamp();
            Read(0);
            _barrier.SignalAndWait();
            (_twoStreams ? two : one)[i / 2] = _bytes / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        return (one, two);
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
        _sums[thread] = _twoStreams ? ReadTwo(at, share) : ReadOne(at, share);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long ReadOne(byte* at, long bytes)
    {
        Vector512<long> a = default, b = default, c = default, d = default;
        for (var end = at + bytes; at < end; at += 256)
        {
            a += Vector512.Load((long*)at);
            b += Vector512.Load((long*)at + 8);
            c += Vector512.Load((long*)at + 16);
            d += Vector512.Load((long*)at + 24);
        }

        return Vector512.Sum(a + b + c + d);
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static long ReadTwo(byte* at, long bytes)
    {
        Vector512<long> a = default, b = default, c = default, d = default;
        for (var end = at + bytes; at < end; at += Apart)
        {
            for (var middle = at + Apart; at < middle; at += 128)
            {
                a += Vector512.Load((long*)at);
                b += Vector512.Load((long*)at + 8);
                c += Vector512.Load((long*)(at + Apart));
                d += Vector512.Load((long*)(at + Apart) + 8);
            }
        }

        return Vector512.Sum(a + b + c + d);
    }

    [DllImport("libc", EntryPoint = "madvise")]
    private static extern int Advise(void* address, nuint length, int advice);
}
