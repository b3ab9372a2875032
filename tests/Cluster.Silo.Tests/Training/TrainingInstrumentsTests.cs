using Cluster.Core.Runs;
using Cluster.Silo.Training;

namespace Cluster.Silo.Tests.Training;

public sealed class TrainingInstrumentsTests : IDisposable
{
    private readonly Meters _meters = new();
    private readonly ManualTime _time = new();
    private readonly TrainingInstruments _instruments;

    public TrainingInstrumentsTests() => _instruments = new TrainingInstruments(_meters.Factory, _time);

    public void Dispose() => _meters.Dispose();

    [Fact]
    public void Record_TrainingThenValidation_KeepsWhatThePointLacks()
    {
        _instruments.Record("a", Point(1) with { Loss = 3, LearningRate = 0.1, GradientNorm = 2, TokensPerSecond = 7, Mfu = 0.5 });
        _time.Pass(2);
        _instruments.Record("a", Point(2) with { ValidationLoss = 4 });

        // A validation is no step.
        Assert.Equal(
            [
                "cluster.training.gradient.norm a s 2", "cluster.training.learning_rate a s 0.1", "cluster.training.loss a s 3", "cluster.training.mfu a s 0.5",
                "cluster.training.step.age a s 2", "cluster.training.steps a s 2", "cluster.training.throughput a s 7", "cluster.training.tokens a s 20",
                "cluster.training.validation.loss a s 4",
            ],
            _meters.Observe());
    }

    [Fact]
    public void Run_FromBeginningToEnd_RunningAndAgeFollow()
    {
        _instruments.Run("a", "s", running: true, bitsPerByteOfNat: 0.5);
        _time.Pass(3);
        Assert.Equal(["cluster.training.running a s 1", "cluster.training.step.age a s 3", "cluster.training.alerts a s 0"], _meters.Observe());

        _instruments.Record("a", Point(1) with { ValidationLoss = 4 });
        Assert.Contains("cluster.training.validation.bits_per_byte a s 2", _meters.Observe());

        _instruments.Run("a", "s", running: false);
        Assert.Contains("cluster.training.running a s 0", _meters.Observe());

        // A pause does not count as time without a step.
        _instruments.Run("a", "s", running: true);
        Assert.Contains("cluster.training.step.age a s 0", _meters.Observe());

        _instruments.Alert("a", "s");
        _instruments.Forget("a", "s");
        Assert.Equal(["cluster.training.alerts a s 1"], _meters.Observe());
    }

    [Fact]
    public void Record_LossIsNaN_IsShown()
    {
        _instruments.Record("a", Point(1) with { Loss = double.NaN });

        Assert.Contains("cluster.training.loss a s NaN", _meters.Observe());
    }

    [Fact]
    public void Record_ManyRuns_OnlyTheLastAreShown()
    {
        for (var run = 0; run <= TrainingInstruments.MostSeries; run++)
        {
            _instruments.Record($"run{run}", Point(1));
            _instruments.Record("steady", Point(run + 1));
        }

        var runs = _meters.Observe().Select(line => line.Split(' ')[1]).Distinct().ToList();

        Assert.Equal(TrainingInstruments.MostSeries, runs.Count);
        Assert.Contains("steady", runs);
        Assert.DoesNotContain("run0", runs);
    }

    private static MetricPoint Point(long step) => new() { Stage = "s", Step = step, Seconds = step, Tokens = 10 * step };
}
