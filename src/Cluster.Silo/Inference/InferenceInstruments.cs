using System.Diagnostics.Metrics;
using Cluster.Contracts.Inference;
using Cluster.Contracts.Training;
using Cluster.Inference.Serving;

namespace Cluster.Silo.Inference;

/// <summary>
/// What serving shows to a metrics system, by OpenTelemetry's naming: the figures of this silo's workers when asked for, and times as they
/// pass. Tags are models and slots, of which a silo has as many as it was asked for.
/// </summary>
internal sealed class InferenceInstruments
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Cluster.Inference";

    private readonly Histogram<double> _firstToken, _interToken, _endToEnd;
    private volatile Func<IReadOnlyList<(string Key, WorkerFigures Figures)>> _workers = () => [];

    /// <param name="meters">Of the host.</param>
    public InferenceInstruments(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        Gauge("cluster.inference.requests.running", "{request}", "Requests that hold blocks of the cache.", figures => figures.Running);
        Gauge("cluster.inference.requests.waiting", "{request}", "Requests that wait for blocks.", figures => figures.Waiting);
        Gauge("cluster.inference.cache.use", "1", "Share of the cache's blocks that requests hold.", figures => figures.CacheUse);
        Counter("cluster.inference.prefix.queries", "{token}", "Tokens looked for in the cache when their requests began.", figures => figures.PrefixQueriedTokens);
        Counter("cluster.inference.prefix.hits", "{token}", "Tokens found in the cache when their requests began.", figures => figures.PrefixHitTokens);
        Counter("cluster.inference.preemptions", "{preemption}", "Requests whose blocks were taken away for an older one.", figures => figures.Preemptions);
        Counter("cluster.inference.tokens.in", "{token}", "Tokens of prompts.", figures => figures.PromptTokens);
        Counter("cluster.inference.tokens.out", "{token}", "Tokens drawn.", figures => figures.GenerationTokens);
        meter.CreateObservableCounter("cluster.inference.replies", Finished, "{reply}", "Replies that ended, by reason.");
        _firstToken = Times("cluster.inference.time_to_first_token", "From a request's arrival to its first token.");
        _interToken = Times("cluster.inference.inter_token_latency", "From each token to the next one of its reply.");
        _endToEnd = Times("cluster.inference.end_to_end_latency", "From a request's arrival to its reply's end.");

        void Gauge(string name, string unit, string description, Func<WorkerFigures, double> value) =>
            meter.CreateObservableGauge(name, () => Observe(value), unit, description);
        void Counter(string name, string unit, string description, Func<WorkerFigures, long> value) =>
            meter.CreateObservableCounter(name, () => Observe(value), unit, description);
        Histogram<double> Times(string name, string description) => meter.CreateHistogram(name, "s", description, tags: null,
            new InstrumentAdvice<double> { HistogramBucketBoundaries = HistogramSnapshot.Bounds });
    }

    /// <summary>Names whose figures are shown.</summary>
    public void Show(Func<IReadOnlyList<(string Key, WorkerFigures Figures)>> workers) => _workers = workers;

    /// <summary>A reply's first token came.</summary>
    public void FirstToken(string model, TimeSpan time) => _firstToken.Record(time.TotalSeconds, new KeyValuePair<string, object?>("model", model));

    /// <summary>Another token of a reply came.</summary>
    public void NextToken(string model, TimeSpan time) => _interToken.Record(time.TotalSeconds, new KeyValuePair<string, object?>("model", model));

    /// <summary>A reply ended by itself.</summary>
    public void End(string model, TimeSpan time) => _endToEnd.Record(time.TotalSeconds, new KeyValuePair<string, object?>("model", model));

    private List<Measurement<T>> Observe<T>(Func<WorkerFigures, T> value)
        where T : struct => [.. _workers().Select(worker => new Measurement<T>(value(worker.Figures), Tags(worker.Key)))];

    private List<Measurement<long>> Finished() => [.. _workers().SelectMany(worker => worker.Figures.Finished.Select(
        reason => new Measurement<long>(reason.Value, [.. Tags(worker.Key), new("reason", reason.Key)])))];

    private static KeyValuePair<string, object?>[] Tags(string key)
    {
        var worker = ReplicaKey.Parse(key);
        return [new("model", worker.Run), new("slot", worker.Slot)];
    }
}
