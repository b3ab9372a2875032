using Cluster.Silo.Checkpoints;
using Cluster.Silo.Tests.Training;

namespace Cluster.Silo.Tests.Checkpoints;

public sealed class CheckpointInstrumentsTests : IDisposable
{
    private readonly Meters _meters = new();
    private readonly ManualTime _time = new();

    public void Dispose() => _meters.Dispose();

    [Fact]
    public void Saved_AfterOpening_AgeBeginsAnew()
    {
        var instruments = new CheckpointInstruments(_meters.Factory, _time);
        instruments.Open("r/s");
        _time.Pass(5);
        Assert.Equal(["cluster.checkpoint.age r s 5", "cluster.checkpoint.attempts r s failed 0", "cluster.checkpoint.attempts r s saved 0"], _meters.Observe());

        instruments.Saved("r/s", 40, 1.5);
        _time.Pass(2);
        instruments.Failed("r/s");
        Assert.Equal(
            [
                "cluster.checkpoint.age r s 2", "cluster.checkpoint.duration r s 1.5", "cluster.checkpoint.step r s 40",
                "cluster.checkpoint.attempts r s failed 1", "cluster.checkpoint.attempts r s saved 1",
            ],
            _meters.Observe());

        // Opened anew on the way, as by a grain that comes back: what is known stays.
        instruments.Open("r/s");
        Assert.Contains("cluster.checkpoint.age r s 2", _meters.Observe());
        instruments.Forget("r/s");
        Assert.DoesNotContain(_meters.Observe(), line => line.StartsWith("cluster.checkpoint.age", StringComparison.Ordinal));
    }
}
