using System.Diagnostics.Metrics;

namespace Cluster.Silo.Training;

/// <summary>What is known of the stages of runs that were heard of last; bounded, so that a long-lived process stays so. From any thread.</summary>
/// <typeparam name="T">What is known of one.</typeparam>
internal sealed class RecentSeries<T>
    where T : class
{
    /// <summary>Most pairs of run and stage at a time.</summary>
    public const int Most = 32;

    private readonly Lock _lock = new();
    private readonly List<(string Run, string Stage, T Known)> _series = [];

    /// <summary>Takes in something about a stage.</summary>
    /// <param name="run">The run.</param>
    /// <param name="stage">The stage.</param>
    /// <param name="change">From what was known, or null, to what is.</param>
    public void Set(string run, string stage, Func<T?, T> change)
    {
        lock (_lock)
        {
            var at = _series.FindIndex(series => series.Run == run && series.Stage == stage);
            var known = change(at < 0 ? null : _series[at].Known);
            if (at >= 0)
                _series.RemoveAt(at);
            else if (_series.Count == Most)
                _series.RemoveAt(0);
            _series.Add((run, stage, known));
        }
    }

    /// <summary>Another process knows it from now on.</summary>
    public void Remove(string run, string stage)
    {
        lock (_lock)
            _series.RemoveAll(series => series.Run == run && series.Stage == stage);
    }

    /// <summary>A figure of every stage that has it.</summary>
    public List<Measurement<TValue>> Observe<TValue>(Func<T, TValue?> value)
        where TValue : struct =>
        ObserveMany(known => value(known) is { } figure ? ((TValue, KeyValuePair<string, object?>[])[])[(figure, [])] : []);

    /// <summary>Figures of every stage, each with tags of its own.</summary>
    public List<Measurement<TValue>> ObserveMany<TValue>(Func<T, IEnumerable<(TValue Value, KeyValuePair<string, object?>[] Tags)>> values)
        where TValue : struct
    {
        lock (_lock)
        {
            return [.. _series.SelectMany(series => values(series.Known).Select(figure =>
                new Measurement<TValue>(figure.Value, [new("run", series.Run), new("stage", series.Stage), .. figure.Tags])))];
        }
    }

    /// <summary>Run and stage in the key of a stage's grains.</summary>
    public static (string Run, string Stage) Of(string key) => key.LastIndexOf('/') is var at and >= 0 ? (key[..at], key[(at + 1)..]) : (key, "");
}
