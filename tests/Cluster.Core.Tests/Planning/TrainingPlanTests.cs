using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Planning;
using Cluster.Core.Recipes;

namespace Cluster.Core.Tests.Planning;

public class TrainingPlanTests
{
    private const double A100 = 312e12;
    private static readonly ModelShape s_small = new ModelShape { Layers = 2, Width = 64, Heads = 2, Vocabulary = 256 }.Resolved();

    // Narayanan et al., "Efficient large-scale language model training on GPU clusters", 2021, section 5.1: time ≈ 8TP / nX, activations recomputed;
    // "34 days" and "84 days".
    [Theory]
    [InlineData(175e9, 300e9, 1_024, 140e12, 34)]
    [InlineData(1e12, 450e9, 3_072, 163e12, 84)]
    public void Days_OfNarayanan_AreThePublishedOnes(double parameters, double tokens, int devices, double achieved, double days)
    {
        var plan = TrainingPlan.Of(Request(parameters, tokens, devices) with
        {
            Utilization = achieved / A100,
            Memory = new MemoryOptions(Precision.Bf16, Checkpointing: ActivationCheckpointing.Block),
        });
        Assert.Equal(6 * parameters * tokens, plan.Flops, parameters);
        Assert.InRange(plan.IdealDays, days - 1, days + 0.5);
        Assert.Equal(plan.IdealDays, plan.Days);
    }

    // Hoffmann et al., "Training compute-optimal large language models", 2022: 70 B parameters, 1.4 T tokens, 5.76e23 FLOPs.
    [Fact]
    public void Flops_OfChinchilla_AreThePublishedOnes()
    {
        var plan = TrainingPlan.Of(Request(70e9, 1.4e12, 4_096));
        Assert.InRange(plan.Flops, 5.76e23, 5.76e23 * 1.03);
        Assert.Equal(20, plan.TokensPerParameter);
    }

    // Rajbhandari et al. 2020, figure 1: 7.5 B parameters, mixed-precision Adam (2 + 2 + 12 bytes), 64 devices.
    [Theory]
    [InlineData(16, 0, 120)]
    [InlineData(4, 12, 31.4)]
    [InlineData(2, 14, 16.6)]
    [InlineData(0, 16, 1.9)]
    public void Sharded_OfZero_IsThePublishedOne(double everywhere, double sharded, double gigabytes) =>
        Assert.Equal(gigabytes, ReplicaMemory.Sharded(7.5e9, everywhere, sharded, 64) / 1e9, 0.05);

    [Fact]
    public void Memory_ShardedOptimizer_IsOwnSliceAndBuddys()
    {
        // 1,000,000 parameters by hand: weights 4 + 2; a lane's gradient, the reduced one and the own eighth of the new parameters 4 + 4 + 4/8; moments
        // 8 · 2/8.
        var memory = ReplicaMemory.Of(1e6, 8, 1, 1_024, s_small, new MemoryOptions(Precision.Bf16, ShardOptimizer: true));
        Assert.Equal((6e6, 8.5e6, 2e6), (memory.Weights, memory.Gradient, memory.Moments));
        // Owner and buddy are all there is: nothing is saved.
        Assert.Equal(8e6, ReplicaMemory.Of(1e6, 2, 1, 1_024, s_small, new MemoryOptions(Precision.Fp32, true)).Moments);
        Assert.Equal(8e6, ReplicaMemory.Of(1e6, 1, 1, 1_024, s_small, new MemoryOptions(Precision.Fp32, true)).Moments);
        // Products read a copy in fp32 too.
        Assert.Equal(8e6, ReplicaMemory.Of(1e6, 8, 1, 1_024, s_small, new MemoryOptions(Precision.Fp32)).Weights);
    }

    [Theory]
    [InlineData(1, ReductionPrecision.Fp32, 4 + 4)]
    [InlineData(4, ReductionPrecision.Fp32, 3 * 4 + 4)]
    [InlineData(7, ReductionPrecision.Fp32, 3 * 4 + 4)]
    [InlineData(8, ReductionPrecision.Fp32, 4 * 4 + 4)]
    [InlineData(1, ReductionPrecision.Bf16, 4 + 2 + 2)]
    [InlineData(4, ReductionPrecision.Bf16, 4 + 2 * 2 + 2)]
    [InlineData(7, ReductionPrecision.Bf16, 4 + 3 * 2 + 2)]
    public void GradientBytes_ByHand(int lanes, ReductionPrecision reduction, double bytes) => Assert.Equal(bytes, ReplicaMemory.GradientBytes(lanes, reduction));

    // Korthikanti et al. 2022, section 4.1: 34 bytes per token, unit of width and block without attention's scores, in a stream of 16 bits with dropout's masks.
    [Fact]
    public void Activations_OfGpt3_AreNearThePublishedOnesAndInputsOnlyWhereCheckpointed()
    {
        var gpt3 = TrainingPlan.AssumedShape(12.0 * 96 * 12_288 * 12_288).Resolved();
        double unit = 2_048.0 * 12_288, whole = Bytes(ActivationCheckpointing.None, Precision.Bf16), inputs = Bytes(ActivationCheckpointing.Block, Precision.Bf16);
        Assert.InRange(whole / (unit * 96), 34, 37);
        // Of each block 4 bytes for its input instead of 36; one block and a half, with the backward pass's own, besides.
        Assert.InRange(inputs / unit, 96 * 4 + 36, 96 * 4 + 36 + 34);
        Assert.InRange(Bytes(ActivationCheckpointing.None, Precision.Fp32) / whole, 1.7, 2);

        double Bytes(ActivationCheckpointing checkpointing, Precision precision) => ReplicaMemory.ActivationBytes(2_048, gpt3, new MemoryOptions(precision, Checkpointing: checkpointing));
    }

    [Fact]
    public void Of_NodesInBf16_HalfTheExchange()
    {
        var request = Request(1e9, 1e9, 8) with { Bandwidth = 1e9, BatchTokens = 8 * 2_048 };
        TrainingPlan full = TrainingPlan.Of(request), half = TrainingPlan.Of(request with { Memory = new MemoryOptions(Precision.Bf16, Reduction: ReductionPrecision.Bf16) });
        Assert.Equal(full.StepSeconds * full.ExchangeShare / 2, half.StepSeconds * half.ExchangeShare, 9);
    }

    // Grattafiori et al., "The Llama 3 herd of models", 2024, section 3.3.4: 419 unexpected interruptions in 54 days on 16,384 GPUs.
    [Fact]
    public void Failures_OfLlama3_AreThePublishedOnes()
    {
        var mtbf = 16_384 * 54 * 24 / 419.0;
        Assert.Equal(419, TrainingPlan.ExpectedFailures(16_384, 54 * 24, mtbf), 9);
        var plan = TrainingPlan.Of(Request(405e9, 15.6e12, 16_384) with { DeviceMtbfHours = mtbf });
        Assert.Equal(54 * 24 / 419.0, plan.SystemMtbfHours!.Value, 9);
        Assert.Equal(plan.Days * 24 / plan.SystemMtbfHours.Value, plan.Failures, 6);
    }

    [Fact]
    public void Interval_OfYoungAndDaly_AreThoseByHand()
    {
        // δ = 5 min, M = 24 h = 1,440 min: √(2 · 5 · 1,440) = 120; ratio 5/2,880, so 120 · (1 + 0.013888… + 0.000192…) − 5.
        Assert.Equal(120, CheckpointInterval.Young(5, 1_440), 9);
        Assert.Equal(120 * (1 + Math.Sqrt(5 / 2_880.0) / 3 + 5 / 2_880.0 / 9) - 5, CheckpointInterval.Daly(5, 1_440), 9);
        Assert.Equal(116.6898, CheckpointInterval.Daly(5, 1_440), 3);
        Assert.Equal(10, CheckpointInterval.Daly(20, 10));
    }

    [Theory]
    [InlineData(5, 1_440, 10)]
    [InlineData(1, 60, 0)]
    [InlineData(20, 200, 5)]
    public void Goodput_AtDalysInterval_IsNearTheBest(double checkpoint, double mtbf, double restart)
    {
        var best = Enumerable.Range(1, 20_000).Max(i => CheckpointInterval.Goodput(i * mtbf / 10_000, checkpoint, restart, mtbf));
        var daly = CheckpointInterval.Goodput(CheckpointInterval.Daly(checkpoint, mtbf), checkpoint, restart, mtbf);
        Assert.InRange(daly, best * 0.9999, best * 1.0001);
        Assert.True(CheckpointInterval.Goodput(mtbf, checkpoint, restart, mtbf) < daly);
    }

    [Fact]
    public void Goodput_Elastic_IsThatByHand()
    {
        // A failure every 100 s of the whole, each of which costs 2 + 3 s: 1/1.05; each device is gone 1 of 101 parts of the time.
        Assert.Equal(1 / 1.05 * (1_000 / 1_010.0), TrainingPlan.ElasticGoodput(10, 1_000, 2, 10, 3), 12);
        var plan = TrainingPlan.Of(Request(1e9, 1e10, 10) with { DeviceMtbfHours = 1_000 / 3_600.0, RecoverySeconds = 2, ReplacementSeconds = 10, CopySeconds = 3, PricePerHour = 2 });
        Assert.Equal(plan.IdealDays, plan.Days * plan.Goodput, 9);
        Assert.Equal(10 * plan.Days * 24 * 2, plan.Cost, 9);
    }

    [Fact]
    public void Exchange_OfAGradient_IsTwiceAllButTheOwnSlice()
    {
        Assert.Equal(1.5, TrainingPlan.ExchangeSeconds(1e9, 4, 1e9), 12);
        Assert.Equal(0, TrainingPlan.ExchangeSeconds(1e9, 1, 1e9));
        // 6e9 FLOPs a token · 1,000 tokens over 4 devices at 1e12 · 0.5: 3 s of computation; 4 GB at 1 GB/s: 6 s of exchange.
        var plan = TrainingPlan.Of(Request(1e9, 1_000, 4) with { PeakFlops = 1e12, Utilization = 0.5, BatchTokens = 1_000, MicroBatchTokens = 250, Bandwidth = 1e9 });
        Assert.Equal((1, 9.0), (plan.Steps, plan.StepSeconds));
        Assert.Equal(6 / 9.0, plan.ExchangeShare, 12);
    }

    [Fact]
    public void Of_MoreDevicesThanMicroBatches_TheOthersIdle()
    {
        var all = TrainingPlan.Of(Request(1e9, 1e9, 8) with { BatchTokens = 8 * 2_048 });
        var idle = TrainingPlan.Of(Request(1e9, 1e9, 12) with { BatchTokens = 8 * 2_048 });
        Assert.Equal((0, 4), (all.IdleDevices, idle.IdleDevices));
        Assert.Equal(all.IdealDays, idle.IdealDays);
    }

    [Fact]
    public void AssumedShape_OfGpt3_IsIts()
    {
        var shape = TrainingPlan.AssumedShape(12.0 * 96 * 12_288 * 12_288);
        Assert.Equal((96, 12_288), (shape.Layers, shape.Width));
    }

    [Theory]
    [InlineData(0.0)]
    [InlineData(1.01)]
    [InlineData(double.NaN)]
    public void Of_UtilizationOutOfRange_NamesIt(double utilization) => Assert.Contains(
        "mfu", Assert.Throws<UserErrorException>(() => TrainingPlan.Of(Request(1e9, 1e9, 1) with { Utilization = utilization })).Message, StringComparison.Ordinal);

    private static PlanRequest Request(double parameters, double tokens, int devices) => new()
    {
        Parameters = parameters,
        Tokens = tokens,
        Devices = devices,
        PeakFlops = A100,
        Utilization = 0.4,
        BatchTokens = 1e8,
        MicroBatchTokens = 2_048,
        Memory = new MemoryOptions(Precision.Bf16),
    };
}
