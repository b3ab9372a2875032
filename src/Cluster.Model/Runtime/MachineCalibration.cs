using System.Diagnostics;
using Cluster.Core.Models;
using Cluster.Inference.Kernels;
using Cluster.Model.Kernels;
using Cluster.Model.Training;

namespace Cluster.Model.Runtime;

/// <summary>What this machine does with a number of compute threads at once: asked before the first step, never after.</summary>
public static class MachineCalibration
{
    private const int Size = 1_024;

    /// <summary>What <see cref="Precision.Auto"/> means here: bf16 where products of it are fast, which is where the processor has AVX-512.</summary>
    public static Precision BestPrecision => System.Runtime.Intrinsics.X86.Avx512BW.IsSupported && HasBf16() ? Precision.Bf16 : Precision.Fp32;

    /// <summary>
    /// The peak of matrix products: best of several rounds of 1,024³ on every replica's thread at once, floating-point operations per second.
    /// </summary>
    /// <param name="precision">Of the operands; not auto.</param>
    /// <param name="replicas">Products at once.</param>
    /// <param name="threads">Threads of each.</param>
    public static double MeasurePeakFlops(Precision precision, int replicas, int threads)
    {
        TorchRuntime.EnsureLoaded();
        return precision == Precision.Bf16 ? Peak<Bf16>(replicas, threads) : Peak<Fp32>(replicas, threads);
    }

    /// <summary>
    /// Training tokens per second, forward and backward, of replicas that compute micro-batches at once, at an engine's own shapes. The
    /// optimizer and the exchange are not in it.
    /// </summary>
    /// <param name="options">Of every replica's engine.</param>
    /// <param name="context">Tokens of a sequence.</param>
    /// <param name="replicas">Replicas at once.</param>
    /// <param name="seconds">How long to measure, after one micro-batch each to warm up.</param>
    public static double MeasureTokensPerSecond(EngineOptions options, int context, int replicas, double seconds)
    {
        var rates = new double[replicas];
        OnThreads(replicas, (replica, together) =>
        {
            using var engine = new TrainingEngine(options, 1);
            var gradient = new float[engine.Length];
            var count = options.MicroBatchTokens;
            var batch = new MicroBatch(new int[count], new int[count], [.. Enumerable.Repeat((byte)1, count)], context);
            for (var i = 0; i < count; i++)
                (batch.Tokens[i], batch.Targets[i]) = (i % options.Shape.Vocabulary, (i + 1) % options.Shape.Vocabulary);
            engine.Gradient(batch, 1.0 / count, gradient, add: false);
            together.SignalAndWait();
            var start = Stopwatch.GetTimestamp();
            long tokens = 0;
            do
            {
                engine.Gradient(batch, 1.0 / count, gradient, add: false);
                tokens += count;
            }
            while (Stopwatch.GetElapsedTime(start).TotalSeconds < seconds);
            rates[replica] = tokens / Stopwatch.GetElapsedTime(start).TotalSeconds;
        });
        return rates.Sum();
    }

    private static double Peak<T>(int replicas, int threads)
        where T : unmanaged, IElement<T>
    {
        const int rounds = 12;
        var best = new double[replicas];
        OnThreads(replicas, (replica, together) =>
        {
            TorchRuntime.SetThreads(threads);
            using var gemm = new Gemm(threads);
            using Matrix<T> result = Matrix<T>.Allocate(Size, Size), left = Matrix<T>.Allocate(Size, Size), right = Matrix<T>.Allocate(Size, Size);
            result.SetProductTransposed(left, right, gemm);
            together.SignalAndWait();
            for (var round = 0; round < rounds; round++)
            {
                var start = Stopwatch.GetTimestamp();
                result.SetProductTransposed(left, right, gemm);
                best[replica] = Math.Max(best[replica], 2.0 * Size * Size * Size / Stopwatch.GetElapsedTime(start).TotalSeconds);
            }
        });
        return best.Sum();
    }

    private static void OnThreads(int count, Action<int, Barrier> work)
    {
        using var together = new Barrier(count);
        Exception? failure = null;
        var threads = Enumerable.Range(0, count).Select(i => new Thread(() =>
        {
            try
            {
                work(i, together);
            }
            catch (Exception error)
            {
                failure = error;
                together.RemoveParticipant();
            }
        })
        { IsBackground = true, Name = $"calibration {i}" }).ToArray();
        foreach (var thread in threads)
            thread.Start();
        foreach (var thread in threads)
            thread.Join();
        if (failure is not null)
            throw failure;
    }

    /// <summary>AVX512_BF16: leaf 7, subleaf 1, EAX bit 5 (Intel, "Architecture instruction set extensions", 2020).</summary>
    private static bool HasBf16() =>
        System.Runtime.Intrinsics.X86.X86Base.CpuId(0, 0).Eax >= 7 && (System.Runtime.Intrinsics.X86.X86Base.CpuId(7, 1).Eax & (1 << 5)) != 0;
}
