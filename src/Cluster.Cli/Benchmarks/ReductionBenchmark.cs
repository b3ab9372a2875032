// Enters: a folder to work in. Leaves: one recipe trained with nodes in fp32 and in bf16: what that does to the loss, and to the bytes.
// Does not know: how it is shown.
using System.Diagnostics.Metrics;
using Cluster.Cli.Hosting;
using Cluster.Cli.Runs;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Stages;
using Cluster.Silo.Training;

namespace Cluster.Cli.Benchmarks;

/// <summary>A run.</summary>
/// <param name="Seed">The recipe's.</param>
/// <param name="Reduction">How: fp32, bf16, or fp32 along another tree, which adds up the same samples in another order.</param>
/// <param name="ValidationLoss">Nats per token at the end.</param>
/// <param name="ValidationBitsPerByte">The same in bits per byte of text.</param>
/// <param name="TrainLoss">Mean of the last tenth of the steps, nats per token.</param>
/// <param name="ExchangedBytes">Read of peers by all replicas in all steps, gradients both ways.</param>
/// <param name="WeightsSha256">At the end.</param>
public sealed record ReductionRun(
    ulong Seed, string Reduction, double ValidationLoss, double ValidationBitsPerByte, double TrainLoss, long ExchangedBytes, string WeightsSha256);

/// <summary>All of them.</summary>
/// <param name="Parameters">Of the model.</param>
/// <param name="Steps">Of each run.</param>
/// <param name="Replicas">Of each run.</param>
/// <param name="Lanes">Of the recipe.</param>
/// <param name="Runs">Of each seed fp32, bf16 and fp32 along another tree. Seeds hold other texts out: only runs of one seed compare.</param>
/// <param name="BytesRatio">bf16's bytes over fp32's.</param>
/// <param name="Difference">bf16's bits per byte less fp32's, mean over the seeds.</param>
/// <param name="MeanDistance">The same without signs.</param>
/// <param name="OtherTreeDistance">That of fp32 along another tree, as a measure of what rounding does anyway.</param>
public sealed record ReductionResult(
    long Parameters, int Steps, int Replicas, int Lanes, IReadOnlyList<ReductionRun> Runs, double BytesRatio, double Difference, double MeanDistance,
    double OtherTreeDistance);

/// <summary>Trains the proof's recipe on the reference documentation.</summary>
/// <param name="folder">Where the runs go.</param>
/// <param name="say">Told what happens.</param>
internal sealed class ReductionBenchmark(string folder, Action<string> say)
{
    private const int Replicas = 2;

    public async Task<ReductionResult> RunAsync(int steps, int seeds, CancellationToken cancellation)
    {
        var corpus = ProofRecipe.WriteCorpus(folder);
        var plain = ProofRecipe.Of("reduction", steps);
        (string Name, TrainingRecipe Training)[] ways =
        [
            ("fp32", plain.Training),
            ("bf16", plain.Training with { ReductionPrecision = ReductionPrecision.Bf16 }),
            // The same samples in a step, twice as many in half as many lanes.
            ("fp32, another tree", plain.Training with { Lanes = plain.Training.Lanes / 2, MicroBatch = plain.Training.MicroBatch * 2 }),
        ];
        var runs = new List<ReductionRun>();
        RunSummary? last = null;
        for (var seed = 1UL; seed <= (ulong)seeds; seed++)
        {
            for (var way = 0; way < ways.Length; way++)
            {
                say(FormattableString.Invariant($"seed {seed}, {steps} steps, {ways[way].Name}"));
                using var counter = new ExchangeCounter();
                last = await new EmbeddedRunHost().RunAsync(new RunRequest
                {
                    Folder = new RunFolder(Path.Combine(folder, FormattableString.Invariant($"run-{seed}-{way}"))),
                    Recipe = plain with { Seed = seed, Training = ways[way].Training },
                    CorpusPath = corpus,
                    Replicas = Replicas,
                    Silos = RunSetup.EmbeddedSilo,
                }, counter, null, cancellation);
                runs.Add(new ReductionRun(seed, ways[way].Name, Math.Round(last.ValidationLoss, 5),
                    Math.Round(last.ValidationBitsPerByte, 5), Math.Round(last.TrainLoss, 5), counter.Bytes, last.WeightsSha256));
            }
        }

        var (full, half, other) = (Of(0), Of(1), Of(2));
        return new ReductionResult(
            last!.Parameters, steps, Replicas, plain.Training.Lanes, runs, Math.Round((double)half.Sum(run => run.ExchangedBytes) / full.Sum(run => run.ExchangedBytes), 4),
            Mean(half, difference => difference), Mean(half, Math.Abs), Mean(other, Math.Abs));

        ReductionRun[] Of(int way) => [.. runs.Where((_, i) => i % ways.Length == way)];

        double Mean(ReductionRun[] those, Func<double, double> of) =>
            Math.Round(those.Zip(full, (run, f) => of(run.ValidationBitsPerByte - f.ValidationBitsPerByte)).Average(), 5);
    }

    /// <summary>
    /// What the replicas of this process have read, as their metric says it: looked at after every step, the last one included, because a
    /// replica's counter goes with it.
    /// </summary>
    private sealed class ExchangeCounter : SilentObserver, IDisposable
    {
        private readonly MeterListener _listener = new();
        private readonly Lock _gate = new();
        private readonly Dictionary<string, long> _bytes = new(StringComparer.Ordinal);

        public ExchangeCounter()
        {
            _listener.InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == TrainingInstruments.MeterName && instrument.Name == ReplicaInstruments.ExchangeBytes)
                    listener.EnableMeasurementEvents(instrument);
            };
            _listener.SetMeasurementEventCallback<long>((_, bytes, tags, _) =>
            {
                var series = string.Join(' ', tags.ToArray().Select(tag => $"{tag.Key}={tag.Value}"));
                lock (_gate)
                    _bytes[series] = Math.Max(bytes, _bytes.GetValueOrDefault(series));
            });
            _listener.Start();
        }

        public long Bytes
        {
            get
            {
                lock (_gate)
                    return _bytes.Values.Sum();
            }
        }

        public override void Trained(MetricPoint point, long totalSteps) => _listener.RecordObservableInstruments();

        public void Dispose() => _listener.Dispose();
    }
}
