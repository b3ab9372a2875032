using System.Diagnostics.Metrics;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using Cluster.Silo.Training;

namespace Cluster.Silo.Stages;

/// <summary>
/// What the stages before training show to a metrics system: what of the text is kept, and how fast it becomes tokens. Tags are runs, the
/// stages, curation's own steps and its reasons, all of which the code names.
/// </summary>
public sealed class DataInstruments
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Cluster.Data";

    private readonly RecentSeries<Known> _series = new();
    private readonly Counter<long> _documents, _bytes, _tokens;
    private readonly Counter<double> _time;

    /// <param name="meters">Of the host.</param>
    public DataInstruments(IMeterFactory meters)
    {
        var meter = meters.Create(MeterName);
        meter.CreateObservableGauge("cluster.data.progress", () => _series.Observe<double>(known => known.Fraction), "1", "Share of a stage of data that is done.");
        _documents = meter.CreateCounter<long>("cluster.data.documents", "{document}", "Items that entered a step of curation, by what became of them: kept, or the reason why not.");
        _bytes = meter.CreateCounter<long>("cluster.data.io", "By", "Text that entered a step of curation and that left it, in UTF-8.");
        _tokens = meter.CreateCounter<long>("cluster.data.tokens", "{token}", "Tokens written into shards.");
        _time = meter.CreateCounter<double>("cluster.data.time", "s", "Time that the stages of data took.");
    }

    /// <summary>A stage begins, or is so far.</summary>
    /// <param name="run">The run.</param>
    /// <param name="stage">One of <see cref="StageNames"/>.</param>
    /// <param name="fraction">Share done, 0–1.</param>
    public void Progress(string run, string stage, double fraction)
    {
        // A count that is not there could not be seen to rise.
        if (fraction <= 0)
            _time.Add(0, new("run", run), new("stage", stage));
        _series.Set(run, stage, _ => new Known(fraction));
    }

    /// <summary>A stage is done.</summary>
    /// <param name="run">The run.</param>
    /// <param name="stage">One of <see cref="StageNames"/>.</param>
    /// <param name="seconds">That it took.</param>
    public void Finished(string run, string stage, double seconds)
    {
        _time.Add(seconds, new("run", run), new("stage", stage));
        _series.Set(run, stage, _ => new Known(1));
    }

    /// <summary>A step of curation is done.</summary>
    public void Curated(string run, CorpusStage step)
    {
        _documents.Add(step.Out, new("run", run), new("step", step.Name), new("outcome", "kept"));
        foreach (var (reason, count) in step.Dropped)
            _documents.Add(count, new("run", run), new("step", step.Name), new("outcome", reason));
        _bytes.Add(step.BytesIn, new("run", run), new("step", step.Name), new("direction", "in"));
        _bytes.Add(step.BytesOut, new("run", run), new("step", step.Name), new("direction", "out"));
    }

    /// <summary>Tokens of a dataset were written; 0 opens its count.</summary>
    public void Wrote(string run, string dataset, long tokens) => _tokens.Add(tokens, new("run", run), new("dataset", dataset));

    private sealed record Known(double Fraction);
}
