// Enters: a model's size, tokens, devices and what was measured of them. Leaves: time, memory, cost, failures, goodput.
// Does not know: where the figures come from. Every formula is a method of its own, with its source.
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Recipes;

namespace Cluster.Core.Planning;

/// <summary>What is planned, and what was measured.</summary>
public sealed record PlanRequest
{
    /// <summary>Trained values.</summary>
    public required double Parameters { get; init; }

    /// <summary>To train on.</summary>
    public required double Tokens { get; init; }

    /// <summary>Replicas, one on each device.</summary>
    public required int Devices { get; init; }

    /// <summary>Peak of a device, FLOP/s.</summary>
    public required double PeakFlops { get; init; }

    /// <summary>Share of the peak at which a device computes, in (0, 1]; activations that are computed again count as computation.</summary>
    public required double Utilization { get; init; }

    /// <summary>FLOPs of a token, forward and backward; 6 · N if not given (Kaplan et al. 2020; Hoffmann et al. 2022, appendix F).</summary>
    public double? FlopsPerToken { get; init; }

    /// <summary>The model's shape; that of GPT-3's kind and of that size, with a width of 128 times the layers, if not given.</summary>
    public ModelShape? Shape { get; init; }

    /// <summary>Tokens of a step over all replicas.</summary>
    public required double BatchTokens { get; init; }

    /// <summary>Tokens of a micro-batch.</summary>
    public required int MicroBatchTokens { get; init; }

    /// <summary>Lanes of a step; one for each device if not given.</summary>
    public int? Lanes { get; init; }

    /// <summary>Bytes per second of one device, each way, to its peers; 0 leaves the exchange out.</summary>
    public double Bandwidth { get; init; }

    /// <summary>Mean hours between failures of one device; 0 for none.</summary>
    public double DeviceMtbfHours { get; init; }

    /// <summary>Seconds from a failure until the others have caught up.</summary>
    public double RecoverySeconds { get; init; }

    /// <summary>Seconds that a device is gone for.</summary>
    public double ReplacementSeconds { get; init; }

    /// <summary>Seconds for which all wait while one that returns copies the state.</summary>
    public double CopySeconds { get; init; }

    /// <summary>Seconds for which training waits while a checkpoint is written.</summary>
    public double CheckpointSeconds { get; init; }

    /// <summary>Seconds from a failure until a run that falls back to a checkpoint goes on.</summary>
    public double RestartSeconds { get; init; }

    /// <summary>Of a device and hour, in any currency.</summary>
    public double PricePerHour { get; init; }

    /// <summary>Bytes of a device's memory; 0 where it is not known.</summary>
    public double DeviceBytes { get; init; }

    /// <summary>How a replica keeps what it trains with.</summary>
    public required MemoryOptions Memory { get; init; }
}

/// <summary>What a plan comes to.</summary>
/// <param name="Flops">Of the whole training.</param>
/// <param name="Steps">Of that many tokens.</param>
/// <param name="StepSeconds">Computation and exchange of one.</param>
/// <param name="ExchangeShare">Of a step, 0–1, where nothing of the exchange is hidden behind the computation.</param>
/// <param name="IdealDays">Without failures.</param>
/// <param name="Days">With failures, survivors going on without the lost ones.</param>
/// <param name="Goodput">Of that, 0–1.</param>
/// <param name="Cost">Of all devices for those days.</param>
/// <param name="Failures">Expected in those days.</param>
/// <param name="SystemMtbfHours">Between two of them; null where none are expected.</param>
/// <param name="CheckpointIntervalYoungSeconds">For a run that falls back to checkpoints; null without failures or the time of a checkpoint.</param>
/// <param name="CheckpointIntervalDalySeconds">The same, of higher order.</param>
/// <param name="CheckpointGoodput">Of a run that falls back to its last checkpoint at every failure, at Daly's interval; null likewise.</param>
/// <param name="Memory">Of a replica.</param>
/// <param name="MemoryPlain">The same without sharding, checkpointed activations or nodes in bf16.</param>
/// <param name="Fits">Whether a replica has room on a device; null where its memory is not known.</param>
/// <param name="TokensPerParameter">About 20 is compute-optimal (Hoffmann et al. 2022, table 3).</param>
/// <param name="Layers">Assumed or given.</param>
/// <param name="Width">Assumed or given.</param>
/// <param name="IdleDevices">For which a step has no micro-batch.</param>
public sealed record TrainingPlan(
    double Flops, double Steps, double StepSeconds, double ExchangeShare, double IdealDays, double Days, double Goodput, double Cost, double Failures,
    double? SystemMtbfHours, double? CheckpointIntervalYoungSeconds, double? CheckpointIntervalDalySeconds, double? CheckpointGoodput, ReplicaMemory Memory,
    ReplicaMemory MemoryPlain, bool? Fits, double TokensPerParameter, int Layers, int Width, int IdleDevices)
{
    private const double Day = 86_400, Hour = 3_600;

    /// <summary>Computes a plan.</summary>
    /// <exception cref="UserErrorException">A figure is out of its range.</exception>
    public static TrainingPlan Of(PlanRequest request)
    {
        Check(request);
        var flops = (request.FlopsPerToken ?? 6 * request.Parameters) * request.Tokens;
        var steps = Math.Ceiling(request.Tokens / request.BatchTokens);
        // One more forward pass, a third of forward and backward together (Narayanan et al. 2021, section 5.1: 8TP / nX).
        var again = request.Memory.Checkpointing == ActivationCheckpointing.Block ? 4.0 / 3 : 1;
        var busy = BusyDevices(request.Devices, request.BatchTokens, request.MicroBatchTokens);
        var compute = ComputeSeconds(flops * again, busy, request.PeakFlops, request.Utilization);
        var wire = request.Memory.Reduction == ReductionPrecision.Bf16 ? 2 : 4;
        var exchange = request.Bandwidth > 0 ? ExchangeSeconds(request.Parameters * wire, busy, request.Bandwidth) * steps : 0;
        var ideal = compute + exchange;
        var goodput = request.DeviceMtbfHours > 0
            ? ElasticGoodput(request.Devices, request.DeviceMtbfHours * Hour, request.RecoverySeconds, request.ReplacementSeconds, request.CopySeconds)
            : 1;
        var seconds = ideal / goodput;
        double? mtbf = request.DeviceMtbfHours > 0 ? request.DeviceMtbfHours / request.Devices : null;
        var writes = mtbf is not null && request.CheckpointSeconds > 0;
        double? daly = writes ? CheckpointInterval.Daly(request.CheckpointSeconds, mtbf!.Value * Hour) : null;
        var shape = (request.Shape ?? AssumedShape(request.Parameters)).Resolved();
        var lanes = request.Lanes is { } all ? (all - 1) / busy + 1 : 1;
        var memory = ReplicaMemory.Of(request.Parameters, request.Devices, lanes, request.MicroBatchTokens, shape, request.Memory);
        return new TrainingPlan(
            flops, steps, ideal / steps, exchange / ideal, ideal / Day, seconds / Day, goodput, request.Devices * seconds / Hour * request.PricePerHour,
            mtbf is { } hours ? ExpectedFailures(request.Devices, seconds / Hour, request.DeviceMtbfHours) : 0, mtbf,
            writes ? CheckpointInterval.Young(request.CheckpointSeconds, mtbf!.Value * Hour) : null, daly,
            daly is { } interval ? CheckpointInterval.Goodput(interval, request.CheckpointSeconds, request.RestartSeconds, mtbf!.Value * Hour) : null,
            memory,
            ReplicaMemory.Of(request.Parameters, request.Devices, lanes, request.MicroBatchTokens, shape, new MemoryOptions(request.Memory.Precision)),
            request.DeviceBytes > 0 ? memory.Total <= request.DeviceBytes : null, request.Tokens / request.Parameters, shape.Layers, shape.Width, request.Devices - busy);
    }

    /// <summary>A step has no more than its micro-batches to share out: devices beyond them idle.</summary>
    public static int BusyDevices(int devices, double batchTokens, double microBatchTokens) =>
        (int)Math.Clamp(Math.Floor(batchTokens / microBatchTokens), 1, devices);

    /// <summary>FLOPs over devices · peak · utilization.</summary>
    public static double ComputeSeconds(double flops, int devices, double peak, double utilization) => flops / (devices * peak * utilization);

    /// <summary>
    /// Of one gradient: each replica reads the others' part of its slice and then their sums, (n − 1) / n of the bytes twice, which is what a ring
    /// moves too (Patarasu and Yuan, "Bandwidth optimal all-reduce algorithms for clusters of workstations", 2009, theorem 1).
    /// </summary>
    /// <param name="bytes">Of the gradient.</param>
    /// <param name="replicas">n.</param>
    /// <param name="bandwidth">Bytes per second of a replica, each way.</param>
    public static double ExchangeSeconds(double bytes, int replicas, double bandwidth) => 2 * bytes * (replicas - 1) / replicas / bandwidth;

    /// <summary>Failures to be expected: device hours over the device's mean time between failures.</summary>
    public static double ExpectedFailures(int devices, double hours, double deviceMtbfHours) => devices * hours / deviceMtbfHours;

    /// <summary>
    /// Share of the time that is work where survivors keep what they have and go on: of every failure all lose the recovery and, when the lost
    /// one returns, the copy; and its own part is missing for as long as it is gone. 1 / (1 + n/M · (recovery + copy)) · M / (M + replacement).
    /// </summary>
    /// <param name="devices">n.</param>
    /// <param name="deviceMtbf">M, of one device.</param>
    /// <param name="recovery">Until the others have caught up.</param>
    /// <param name="replacement">For which it is gone.</param>
    /// <param name="copy">For which all wait at its return.</param>
    public static double ElasticGoodput(int devices, double deviceMtbf, double recovery, double replacement, double copy) =>
        1 / (1 + devices / deviceMtbf * (recovery + copy)) * (deviceMtbf / (deviceMtbf + replacement));

    /// <summary>
    /// A transformer of that size, 12 · layers · width² parameters, whose width is 128 times its layers: GPT-3's 96 × 12,288, with its vocabulary
    /// of 50,257 filled up to a multiple of 16 (Brown et al., 2020, table 2.1).
    /// </summary>
    public static ModelShape AssumedShape(double parameters)
    {
        const double Aspect = 128;
        const int HeadSize = 64;
        var layers = Math.Max(1, (int)Math.Round(Math.Cbrt(parameters / (12 * Aspect * Aspect))));
        var width = Math.Max(HeadSize, (int)Math.Round(Math.Sqrt(parameters / (12.0 * layers)) / HeadSize) * HeadSize);
        return new ModelShape { Layers = layers, Width = width, Heads = width / HeadSize, Vocabulary = 50_272, Activation = Activation.Gelu };
    }

    private static void Check(PlanRequest request)
    {
        Limits.Check("parameters", request.Parameters, 1_000, 1e15);
        Limits.Check("tokens", request.Tokens, 1, 1e18);
        Limits.Check("devices", request.Devices, 1, 10_000_000);
        Limits.Check("flops", request.PeakFlops, 1e6, 1e21);
        Limits.Check("mfu", request.Utilization, double.Epsilon, 1);
        Limits.Check("batch_tokens", request.BatchTokens, 1, 1e15);
        Limits.Check("micro_batch_tokens", request.MicroBatchTokens, 1, 1_000_000_000);
        Limits.Check("lanes", request.Lanes ?? 1, 1, 10_000_000);
        Limits.Check("bandwidth", request.Bandwidth, 0, 1e18);
        Limits.Check("mtbf_hours", request.DeviceMtbfHours, 0, 1e12);
        Limits.Check("price", request.PricePerHour, 0, 1e9);
        Limits.Check("recovery_seconds", request.RecoverySeconds, 0, 1e9);
        Limits.Check("replacement_seconds", request.ReplacementSeconds, 0, 1e9);
        Limits.Check("copy_seconds", request.CopySeconds, 0, 1e9);
        Limits.Check("checkpoint_seconds", request.CheckpointSeconds, 0, 1e9);
        Limits.Check("restart_seconds", request.RestartSeconds, 0, 1e9);
        Limits.Check("memory", request.DeviceBytes, 0, 1e18);
    }
}
