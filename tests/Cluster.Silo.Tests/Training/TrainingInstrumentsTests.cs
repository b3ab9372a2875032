using System.Diagnostics.Metrics;
using Cluster.Core.Runs;
using Cluster.Silo.Training;
using Microsoft.Extensions.DependencyInjection;

namespace Cluster.Silo.Tests.Training;

public sealed class TrainingInstrumentsTests : IDisposable
{
    private readonly ServiceProvider _services = new ServiceCollection().AddMetrics().BuildServiceProvider();
    private readonly TrainingInstruments _instruments;

    public TrainingInstrumentsTests() => _instruments = new TrainingInstruments(_services.GetRequiredService<IMeterFactory>());

    public void Dispose() => _services.Dispose();

    [Fact]
    public void Record_TrainingThenValidation_KeepsWhatThePointLacks()
    {
        _instruments.Record("a", Point(1) with { Loss = 3, LearningRate = 0.1, GradientNorm = 2 });
        _instruments.Record("a", Point(2) with { ValidationLoss = 4 });

        Assert.Equal(
            [
                "cluster.training.gradient.norm a s 2", "cluster.training.learning_rate a s 0.1", "cluster.training.loss a s 3",
                "cluster.training.steps a s 2", "cluster.training.tokens a s 20", "cluster.training.validation.loss a s 4",
            ],
            Observe());
    }

    [Fact]
    public void Record_ManyRuns_OnlyTheLastAreShown()
    {
        for (var run = 0; run <= TrainingInstruments.MostSeries; run++)
        {
            _instruments.Record($"run{run}", Point(1));
            _instruments.Record("steady", Point(run + 1));
        }

        var runs = Observe().Select(line => line.Split(' ')[1]).Distinct().ToList();

        Assert.Equal(TrainingInstruments.MostSeries, runs.Count);
        Assert.Contains("steady", runs);
        Assert.DoesNotContain("run0", runs);
    }

    private static MetricPoint Point(long step) => new() { Stage = "s", Step = step, Seconds = step, Tokens = 10 * step };

    private List<string> Observe()
    {
        var seen = new List<string>();
        using var listener = new MeterListener
        {
            InstrumentPublished = (instrument, listener) =>
            {
                if (instrument.Meter.Name == TrainingInstruments.MeterName && instrument.Meter.Scope == _services.GetRequiredService<IMeterFactory>())
                    listener.EnableMeasurementEvents(instrument);
            },
        };
        listener.SetMeasurementEventCallback<double>((instrument, value, tags, _) => Add(instrument, value, tags));
        listener.SetMeasurementEventCallback<long>((instrument, value, tags, _) => Add(instrument, value, tags));
        listener.Start();
        listener.RecordObservableInstruments();
        return [.. seen.Order(StringComparer.Ordinal)];

        void Add<T>(Instrument instrument, T value, ReadOnlySpan<KeyValuePair<string, object?>> tags) =>
            seen.Add($"{instrument.Name} {string.Join(' ', tags.ToArray().Select(tag => tag.Value))} {value}");
    }
}
