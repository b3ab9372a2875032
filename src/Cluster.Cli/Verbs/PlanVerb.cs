using System.CommandLine;
using Cluster.Cli.Hosting;
using Cluster.Cli.Rendering;
using Cluster.Cli.Runs;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Planning;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Model.Runtime;

namespace Cluster.Cli.Verbs;

/// <summary><c>plan</c>: what a training would take, before it is paid for.</summary>
public static class PlanVerb
{
    /// <summary>The command.</summary>
    public static Command Create(CliEnvironment environment)
    {
        var recipe = RecipeChoice.Recipe();
        var depth = RecipeChoice.Depth();
        var set = Options.Set();
        var parameters = Text("--parameters", "N", "Trained values, instead of a recipe; a width of 128 times the layers is assumed.", null);
        var tokens = Text("--tokens", "N", "To train on; those of the recipe's steps, or 20 of each parameter, if not given.", null);
        var devices = new Option<int>("--devices") { Description = "Replicas, one on each device.", HelpName = "N", DefaultValueFactory = _ => 1 };
        var flops = Text("--flops", "F", "Peak of a device, FLOP/s, such as 312T; this machine's matrix peak is measured if not given.", null);
        var utilization = Number("--mfu", "SHARE", "Share of the peak at which a device computes, 0 to 1.", 0.4);
        var batch = Text("--batch-tokens", "N", "Tokens of a step; the recipe's, or 4M, if not given.", null);
        var microBatch = Text("--micro-batch-tokens", "N", "Tokens of a micro-batch; the recipe's, or 2,048, if not given.", null);
        var bandwidth = Text("--bandwidth", "B", "Bytes per second of a device to its peers, such as 25G; the exchange is left out if not given.", null);
        var mtbf = Number("--mtbf", "HOURS", "Mean hours between failures of one device; 50,000 is that of Llama 3's training. 0 for none.", 50_000);
        var price = Number("--price", "P", "Of a device and hour.", 0);
        var memory = Text("--memory", "B", "Bytes of a device's memory, such as 80G.", null);
        var precision = new Option<Precision>("--precision") { Description = "bf16 or fp32.", DefaultValueFactory = _ => Precision.Bf16 };
        var shard = new Option<bool>("--shard-optimizer") { Description = "Each replica keeps the moments of its slice and of one more." };
        var checkpointed = new Option<bool>("--checkpoint-activations") { Description = "Activations are computed again in the backward pass; the recipe says it too." };
        var reduction = new Option<ReductionPrecision?>("--reduction-precision") { Description = "Tree nodes in fp32 or bf16; the recipe's, or fp32, if not given." };
        var recovery = Number("--recovery", "S", "Seconds from a failure until the others have caught up.", 5);
        var replacement = Number("--replacement", "S", "Seconds that a device is gone for.", 600);
        var copy = Number("--copy", "S", "Seconds for which all wait while one that returns copies the state.", 10);
        var checkpoint = Number("--checkpoint", "S", "Seconds for which training waits while a checkpoint is written.", 30);
        var restart = Number("--restart", "S", "Seconds from a failure until a run that falls back to a checkpoint goes on.", 600);
        var json = Options.Json();
        var command = new Command("plan", "From parameters, tokens and devices to days, memory, cost, failures and goodput.")
        {
            recipe, depth, set, parameters, tokens, devices, flops, utilization, batch, microBatch, bandwidth, mtbf, price, memory, precision, shard, checkpointed, reduction,
            recovery, replacement, copy, checkpoint, restart, json,
        };
        command.SetAction(parsed =>
        {
            var fp = parsed.GetValue(precision);
            if (fp == Precision.Auto)
                throw new UserErrorException("--precision is auto.", "Give bf16 or fp32.");
            Recipe? chosen = parsed.GetValue(parameters) is null || parsed.GetValue(recipe) is not null || parsed.GetValue(depth) is not null
                ? RecipeChoice.Resolve(parsed.GetValue(recipe) ?? "demo", parsed.GetValue(depth), parsed.GetValue(set)!) : null;
            if (chosen is not null && parsed.GetValue(parameters) is not null)
                throw new UserErrorException("Both --parameters and a recipe say how large the model is.", "Give one of them.");
            var report = chosen is null ? null : ModelReport.Of(ModelReport.ShapeOf(chosen));
            var schedule = chosen is null ? null : new PretrainingSchedule(chosen);
            var count = Value(parameters) ?? report!.Parameters;
            var peak = Value(flops);
            var plan = TrainingPlan.Of(new PlanRequest
            {
                Parameters = count,
                Tokens = Value(tokens) ?? (schedule is null ? 20 * count : schedule.TokensUntil(chosen!.Training.Steps)),
                Devices = parsed.GetValue(devices),
                PeakFlops = peak ?? MachineCalibration.MeasurePeakFlops(fp, 1, 1),
                Utilization = parsed.GetValue(utilization),
                FlopsPerToken = report?.FlopsPerToken,
                Shape = report?.Shape,
                BatchTokens = Value(batch) ?? (double?)schedule?.TokensUntil(chosen!.Training.Steps) / chosen?.Training.Steps ?? 4e6,
                MicroBatchTokens = Value(microBatch) is { } tokensOfOne ? (int)Math.Min(tokensOfOne, int.MaxValue) : schedule?.MicroBatchTokens ?? 2_048,
                Lanes = chosen?.Training.Lanes,
                Bandwidth = Value(bandwidth) ?? 0,
                DeviceMtbfHours = parsed.GetValue(mtbf),
                RecoverySeconds = parsed.GetValue(recovery),
                ReplacementSeconds = parsed.GetValue(replacement),
                CopySeconds = parsed.GetValue(copy),
                CheckpointSeconds = parsed.GetValue(checkpoint),
                RestartSeconds = parsed.GetValue(restart),
                PricePerHour = parsed.GetValue(price),
                DeviceBytes = Value(memory) ?? 0,
                Memory = new MemoryOptions(fp, parsed.GetValue(shard) || chosen?.Training.ShardedOptimizer == true,
                    parsed.GetValue(checkpointed) ? ActivationCheckpointing.Block : chosen?.Training.ActivationCheckpointing ?? ActivationCheckpointing.None,
                    parsed.GetValue(reduction) ?? chosen?.Training.ReductionPrecision ?? ReductionPrecision.Fp32),
            });
            if (peak is null)
                environment.Error.WriteLine("note: --flops is this machine's matrix peak on one thread, measured just now.");
            if (parsed.GetValue(json))
                environment.Output.WriteLine(RunJson.Document(plan));
            else
                Render(plan, count, parsed.GetValue(devices), environment);

            double? Value(Option<string?> option) => parsed.GetValue(option) is { } text ? PlanNumbers.Parse(option.Name, text) : null;
        });
        return command;
    }

    private static Option<string?> Text(string name, string help, string what, string? otherwise) =>
        new(name) { Description = what, HelpName = help, DefaultValueFactory = _ => otherwise };

    private static Option<double> Number(string name, string help, string what, double otherwise) =>
        new(name) { Description = what, HelpName = help, DefaultValueFactory = _ => otherwise };

    private static void Render(TrainingPlan plan, double parameters, int devices, CliEnvironment environment)
    {
        var memory = plan.Memory;
        var rows = new List<(string, string)>
        {
            ("model", $"{Figures.Count((long)parameters)} parameters, {plan.Layers} layers × {plan.Width}"),
            ("tokens", FormattableString.Invariant($"{Figures.Count((long)(plan.TokensPerParameter * parameters))}, {plan.TokensPerParameter:0.#} of each parameter (about 20 is compute-optimal)")),
            ("operations", FormattableString.Invariant($"{plan.Flops:0.00e0} FLOPs")),
            ("steps", FormattableString.Invariant($"{Figures.Count((long)plan.Steps)} of {plan.StepSeconds:0.###} s, {100 * plan.ExchangeShare:0.#} % of it exchange if none is hidden")),
            ("time", FormattableString.Invariant($"{plan.Days:0.##} days on {Figures.Whole(devices)} devices ({plan.IdealDays:0.##} without failures)")),
            ("failures", plan.SystemMtbfHours is { } hours ? FormattableString.Invariant($"{plan.Failures:0.#}, one every {Figures.Duration(hours * 3_600)}") : "none"),
            ("goodput", FormattableString.Invariant($"{100 * plan.Goodput:0.##} % where the others go on")
                + (plan.CheckpointGoodput is { } fallen
                    ? FormattableString.Invariant($"; {100 * fallen:0.##} % falling back to checkpoints every {Figures.Duration(plan.CheckpointIntervalDalySeconds!.Value)} (Daly; Young: {Figures.Duration(plan.CheckpointIntervalYoungSeconds!.Value)})")
                    : "")),
            ("memory", $"{Figures.Bytes((long)memory.Total)} per replica: weights {Figures.Bytes((long)memory.Weights)}, gradient {Figures.Bytes((long)memory.Gradient)}, "
                + $"moments {Figures.Bytes((long)memory.Moments)}, activations {Figures.Bytes((long)memory.Activations)}"
                + (memory == plan.MemoryPlain ? "" : $" ({Figures.Bytes((long)plan.MemoryPlain.Total)} without the options)")),
        };
        if (plan.Cost > 0)
            rows.Add(("cost", FormattableString.Invariant($"{plan.Cost:#,0.##}")));
        if (plan.IdleDevices > 0)
            rows.Add(("idle", $"{Figures.Whole(plan.IdleDevices)} devices: a step has fewer micro-batches than there are devices"));
        if (plan.Fits is { } fits)
            rows.Add(("fits", fits ? "yes" : "NO: a model larger than one device's memory is out of this program's reach"));
        Tables.Pairs(environment.Console(), rows);
    }
}
