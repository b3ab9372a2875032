// Enters: a folder to work in. Leaves: one recipe trained with nodes in fp32 and in bf16: what that does to the loss, and the bytes.
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
/// <param name="Precision">Of the reduction.</param>
/// <param name="ValidationLoss">Nats per token at the end.</param>
/// <param name="ValidationBitsPerByte">The same in bits per byte of text.</param>
/// <param name="TrainLoss">Mean of the last tenth of the steps, nats per token.</param>
/// <param name="ExchangedBytes">Read of peers by all replicas in all steps, gradients both ways.</param>
/// <param name="WeightsSha256">At the end.</param>
public sealed record ReductionRun(
    ulong Seed, string Precision, double ValidationLoss, double ValidationBitsPerByte, double TrainLoss, long ExchangedBytes, string WeightsSha256);

/// <summary>All of them.</summary>
/// <param name="Parameters">Of the model.</param>
/// <param name="Steps">Of each run.</param>
/// <param name="Replicas">Of each run.</param>
/// <param name="Lanes">Of the recipe.</param>
/// <param name="Runs">In pairs: fp32, bf16.</param>
/// <param name="BytesRatio">bf16's bytes over fp32's.</param>
/// <param name="BitsPerByteDifference">Mean over the seeds of bf16's less fp32's.</param>
/// <param name="SeedSpread">What another seed does instead: the largest less the smallest bits per byte of the fp32 runs.</param>
public sealed record ReductionResult(
    long Parameters, int Steps, int Replicas, int Lanes, IReadOnlyList<ReductionRun> Runs, double BytesRatio, double BitsPerByteDifference, double SeedSpread);

/// <summary>Trains the proof's recipe on the reference documentation.</summary>
/// <param name="folder">Where the runs go.</param>
/// <param name="say">Told what happens.</param>
internal sealed class ReductionBenchmark(string folder, Action<string> say)
{
    private const int Replicas = 2;

    public async Task<ReductionResult> RunAsync(int steps, int seeds, CancellationToken cancellation)
    {
        var corpus = ProofRecipe.WriteCorpus(folder);
        var runs = new List<ReductionRun>();
        RunSummary? last = null;
        for (var seed = 1UL; seed <= (ulong)seeds; seed++)
        {
            foreach (var precision in (ReductionPrecision[])[ReductionPrecision.Fp32, ReductionPrecision.Bf16])
            {
                var name = FormattableString.Invariant($"{precision}-{seed}").ToLowerInvariant();
                say($"{steps} steps, {name}");
                var recipe = ProofRecipe.Of("reduction", steps);
                using var counter = new ExchangeCounter();
                last = await new EmbeddedRunHost().RunAsync(new RunRequest
                {
                    Folder = new RunFolder(Path.Combine(folder, name)),
                    Recipe = recipe with { Seed = seed, Training = recipe.Training with { ReductionPrecision = precision } },
                    CorpusPath = corpus,
                    Replicas = Replicas,
                    Silos = RunSetup.EmbeddedSilo,
                }, counter, null, cancellation);
                runs.Add(new ReductionRun(seed, precision.ToString().ToLowerInvariant(), Math.Round(last.ValidationLoss, 5),
                    Math.Round(last.ValidationBitsPerByte, 5), Math.Round(last.TrainLoss, 5), counter.Bytes, last.WeightsSha256));
            }
        }

        ReductionRun[] full = [.. runs.Where((_, i) => i % 2 == 0)], half = [.. runs.Where((_, i) => i % 2 != 0)];
        return new ReductionResult(
            last!.Parameters, steps, Replicas, ProofRecipe.Of("reduction", steps).Training.Lanes, runs,
            Math.Round((double)half.Sum(run => run.ExchangedBytes) / full.Sum(run => run.ExchangedBytes), 4),
            Math.Round(half.Zip(full, (h, f) => h.ValidationBitsPerByte - f.ValidationBitsPerByte).Average(), 5),
            Math.Round(full.Max(run => run.ValidationBitsPerByte) - full.Min(run => run.ValidationBitsPerByte), 5));
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
