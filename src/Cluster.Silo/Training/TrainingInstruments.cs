using System.Diagnostics.Metrics;
using Cluster.Core.Runs;

namespace Cluster.Silo.Training;

/// <summary>
/// What a stage's driver shows to a metrics system, by OpenTelemetry's naming: the last point of each stage of a run, observed when asked
/// for. Figures of the last <see cref="MostSeries"/> pairs of run and stage are shown, so that a long-lived process stays bounded.
/// </summary>
public sealed class TrainingInstruments
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Cluster.Training";

    /// <summary>Most pairs of run and stage shown at a time.</summary>
    public const int MostSeries = RecentSeries<Known>.Most;

    private readonly RecentSeries<Known> _series = new();
    private readonly Counter<long> _alerts;
    private readonly TimeProvider _time;

    /// <param name="meters">Of the host.</param>
    /// <param name="time">Tells how old the last step is; null is the system's.</param>
    public TrainingInstruments(IMeterFactory meters, TimeProvider? time = null)
    {
        _time = time ?? TimeProvider.System;
        var meter = meters.Create(MeterName);
        Gauge("cluster.training.loss", "{nat}", "Mean training loss of the last step, nats per token.", known => known.Last?.Loss);
        Gauge("cluster.training.validation.loss", "{nat}", "Mean loss of the last validation, nats per token.", known => known.Last?.ValidationLoss);
        Gauge("cluster.training.validation.bits_per_byte", "{bit}", "Loss of the last validation, bits for a byte of text.",
            known => known.Last?.ValidationLoss * known.BitsPerByteOfNat);
        Gauge("cluster.training.learning_rate", "1", "Learning rate of the last step.", known => known.Last?.LearningRate);
        Gauge("cluster.training.gradient.norm", "1", "Euclidean norm of the last step's gradient before clipping.", known => known.Last?.GradientNorm);
        Gauge("cluster.training.throughput", "{token}/s", "Tokens trained on per second, over the last moments.", known => known.Last?.TokensPerSecond);
        Gauge("cluster.training.mfu", "1", "Useful floating-point operations as a share of the measured peak of matrix products.", known => known.Last?.Mfu);
        Gauge("cluster.training.running", "1", "1 while the stage is to make steps, 0 while it is paused and after its end.", known => known.Running);
        Gauge("cluster.training.step.age", "s", "Time since the last step, or since the stage began.",
            known => known.SteppedAt is { } at ? _time.GetElapsedTime(at).TotalSeconds : null);
        Counter("cluster.training.tokens", "{token}", "Tokens of the stage trained on.", known => known.Last?.Tokens);
        Counter("cluster.training.steps", "{step}", "Steps of the stage applied.", known => known.Last?.Step);

        _alerts = meter.CreateCounter<long>("cluster.training.alerts", "{alert}", "Things that somebody should mend while training goes on.");

        void Gauge(string name, string unit, string description, Func<Known, double?> value) =>
            meter.CreateObservableGauge(name, () => _series.Observe(value), unit, description);
        void Counter(string name, string unit, string description, Func<Known, long?> value) =>
            meter.CreateObservableCounter(name, () => _series.Observe(value), unit, description);
    }

    /// <summary>Takes in a step or a validation; a figure that the point lacks keeps its last value.</summary>
    /// <param name="run">Name of the run.</param>
    /// <param name="point">Figures; they go to its stage.</param>
    public void Record(string run, MetricPoint point) => _series.Set(run, point.Stage, known => (known ?? new Known()) with
    {
        SteppedAt = point.Loss is null && known?.SteppedAt is { } at ? at : _time.GetTimestamp(),
        Last = point with
        {
            Loss = point.Loss ?? known?.Last?.Loss,
            ValidationLoss = point.ValidationLoss ?? known?.Last?.ValidationLoss,
            LearningRate = point.LearningRate ?? known?.Last?.LearningRate,
            GradientNorm = point.GradientNorm ?? known?.Last?.GradientNorm,
            TokensPerSecond = point.TokensPerSecond ?? known?.Last?.TokensPerSecond,
            Mfu = point.Mfu ?? known?.Last?.Mfu,
        },
    });

    /// <summary>A stage begins, goes on, waits or has ended.</summary>
    /// <param name="run">Name of the run.</param>
    /// <param name="stage">Name of the stage.</param>
    /// <param name="running">Whether it is to make steps.</param>
    /// <param name="bitsPerByteOfNat">What a nat per token of validation is in bits per byte; null where that is not known.</param>
    public void Run(string run, string stage, bool running, double? bitsPerByteOfNat = null)
    {
        // A count that is not there could not be seen to rise.
        _alerts.Add(0, new("run", run), new("stage", stage));
        _series.Set(run, stage, known => (known ?? new Known()) with
        {
            Running = running ? 1 : 0,
            SteppedAt = running && known is not { Running: 1 } ? _time.GetTimestamp() : known?.SteppedAt,
            BitsPerByteOfNat = bitsPerByteOfNat ?? known?.BitsPerByteOfNat,
        });
    }

    /// <summary>Another driver is in charge of a stage, and shows it.</summary>
    public void Forget(string run, string stage) => _series.Remove(run, stage);

    /// <summary>Counts something that somebody should mend while training goes on, such as a checkpoint that could not be written.</summary>
    public void Alert(string run, string stage) => _alerts.Add(1, new("run", run), new("stage", stage));

    private sealed record Known
    {
        public MetricPoint? Last { get; init; }

        public double? Running { get; init; }

        public long? SteppedAt { get; init; }

        public double? BitsPerByteOfNat { get; init; }
    }
}
