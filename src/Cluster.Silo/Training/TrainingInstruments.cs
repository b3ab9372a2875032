using System.Diagnostics.Metrics;
using Cluster.Core.Runs;

namespace Cluster.Silo.Training;

/// <summary>
/// What training shows to a metrics system, by OpenTelemetry's naming: the last point of each stage of a run, observed when asked for.
/// Figures of the last <see cref="MostSeries"/> pairs of run and stage are shown, so that a long-lived process stays bounded.
/// </summary>
public sealed class TrainingInstruments
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Cluster.Training";

    /// <summary>Most pairs of run and stage shown at a time.</summary>
    public const int MostSeries = 32;

    private readonly Lock _lock = new();
    private readonly List<Series> _series = [];
    private readonly Counter<long> _alerts;

    /// <param name="meters">Of the host.</param>
    public TrainingInstruments(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        Gauge("cluster.training.loss", "{nat}", "Mean training loss of the last step, nats per token.", point => point.Loss);
        Gauge("cluster.training.validation.loss", "{nat}", "Mean loss of the last validation, nats per token.", point => point.ValidationLoss);
        Gauge("cluster.training.learning_rate", "1", "Learning rate of the last step.", point => point.LearningRate);
        Gauge("cluster.training.gradient.norm", "1", "Euclidean norm of the last step's gradient before clipping.", point => point.GradientNorm);
        Counter("cluster.training.tokens", "{token}", "Tokens of the stage trained on.", point => point.Tokens);
        Counter("cluster.training.steps", "{step}", "Steps of the stage applied.", point => point.Step);

        _alerts = meter.CreateCounter<long>("cluster.training.alerts", "{alert}", "Things that somebody should mend while training goes on.");

        void Gauge(string name, string unit, string description, Func<MetricPoint, double?> value) =>
            meter.CreateObservableGauge(name, () => Observe(value), unit, description);
        void Counter(string name, string unit, string description, Func<MetricPoint, long?> value) =>
            meter.CreateObservableCounter(name, () => Observe(value), unit, description);
    }

    /// <summary>Takes in a step or a validation; a figure that the point lacks keeps its last value.</summary>
    /// <param name="run">Name of the run.</param>
    /// <param name="point">Figures; they go to its stage.</param>
    public void Record(string run, MetricPoint point)
    {
        lock (_lock)
        {
            var at = _series.FindIndex(series => series.Run == run && series.Last.Stage == point.Stage);
            var before = at < 0 ? point : _series[at].Last;
            if (at >= 0)
                _series.RemoveAt(at);
            else if (_series.Count == MostSeries)
                _series.RemoveAt(0);
            _series.Add(new Series(run, point with
            {
                Loss = point.Loss ?? before.Loss,
                ValidationLoss = point.ValidationLoss ?? before.ValidationLoss,
                LearningRate = point.LearningRate ?? before.LearningRate,
                GradientNorm = point.GradientNorm ?? before.GradientNorm,
            }));
        }
    }

    /// <summary>Counts something that somebody should mend while training goes on, such as a checkpoint that could not be written.</summary>
    public void Alert(string run, string stage) => _alerts.Add(1, new("run", run), new("stage", stage));

    private List<Measurement<T>> Observe<T>(Func<MetricPoint, T?> value)
        where T : struct
    {
        lock (_lock)
        {
            var seen = new List<Measurement<T>>(_series.Count);
            foreach (var (run, point) in _series)
            {
                if (value(point) is { } figure)
                    seen.Add(new Measurement<T>(figure, [new("run", run), new("stage", point.Stage)]));
            }

            return seen;
        }
    }

    /// <param name="Run">Name of the run.</param>
    /// <param name="Last">Its last figures.</param>
    private readonly record struct Series(string Run, MetricPoint Last);
}
