using System.Diagnostics.Metrics;
using Microsoft.Extensions.DependencyInjection;

namespace Cluster.Silo.Tests.Training;

/// <summary>What the instruments of one factory say when they are asked, and what they count.</summary>
internal sealed class Meters : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly SortedDictionary<string, double> _counted = new(StringComparer.Ordinal);
    private readonly MeterListener _counting;

    public Meters()
    {
        _counting = Listen((line, value) => _counted[line] = _counted.GetValueOrDefault(line) + value, observable: false);
    }

    public IMeterFactory Factory => _services.GetRequiredService<IMeterFactory>();

    /// <summary>Name, tags and value of everything that is observed, in order; then what was counted.</summary>
    public List<string> Observe()
    {
        var seen = new List<string>();
        using (var listener = Listen((line, value) => seen.Add(FormattableString.Invariant($"{line} {value}")), observable: true))
            listener.RecordObservableInstruments();
        return [.. seen.Order(StringComparer.Ordinal), .. _counted.Select(count => FormattableString.Invariant($"{count.Key} {count.Value}"))];
    }

    public void Dispose()
    {
        _counting.Dispose();
        _services.Dispose();
    }

    private MeterListener Listen(Action<string, double> take, bool observable)
    {
        var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Scope == Factory && instrument.IsObservable == observable)
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => take(Line(instrument, tags), value));
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => take(Line(instrument, tags), value));
        listener.SetMeasurementEventCallback<int>((instrument, value, tags, _) => take(Line(instrument, tags), value));
        listener.Start();
        return listener;
    }

    private static string Line(Instrument instrument, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
        string.Join(' ', [instrument.Name, .. tags.ToArray().Select(tag => $"{tag.Value}")]);
}

/// <summary>Time that passes when it is told to.</summary>
internal sealed class ManualTime : TimeProvider
{
    private long _now;

    public override long TimestampFrequency => 1000;

    public override long GetTimestamp() => _now;

    public void Pass(double seconds) => _now += (long)(seconds * 1000);
}
