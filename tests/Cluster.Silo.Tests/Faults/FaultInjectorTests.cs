using System.Net;
using Cluster.Core.Faults;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Faults;

namespace Cluster.Silo.Tests.Faults;

public sealed class FaultInjectorTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("cluster-faults-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void Reached_ArmedPhaseAtOrAfterTheStep_HappensOnceAndIsNoted()
    {
        using var injector = new FaultInjector(_folder, new ExchangeHub(IPAddress.Loopback), null!);
        var fault = new Fault(FaultKind.FullDisk, StepPhase.Ready, 5);
        injector.Arm(fault);
        var watch = injector.Watch("run/pretraining", "a#1");

        watch.Reached(StepPhase.Ready, 4);
        watch.Reached(StepPhase.Reduce, 7);
        injector.BeforeCheckpoint();
        watch.Reached(StepPhase.Ready, 6);
        Assert.Throws<IOException>(injector.BeforeCheckpoint);
        watch.Reached(StepPhase.Ready, 7);
        injector.BeforeCheckpoint();

        var entry = Assert.Single(FaultInjector.Read(_folder, "run/pretraining", onlyFaults: true));
        Assert.Equal((LedgerEvent.Fault, "a#1", 6L, fault), (entry.Event, entry.Member, entry.Step, entry.Fault));
    }

    [Fact]
    public void Reached_SlowForSomeSteps_EveryTimeWithinThemAndNotedOnce()
    {
        var slept = new List<double>();
        using var injector = new FaultInjector(_folder, new ExchangeHub(IPAddress.Loopback), null!) { Sleep = time => slept.Add(time.TotalSeconds) };
        injector.Arm(new Fault(FaultKind.Slow, StepPhase.Backward, 5, Seconds: 0.25, Steps: 2));
        injector.Arm(new Fault(FaultKind.Slow, StepPhase.Ready, 0, Seconds: 0.5));
        var watch = injector.Watch("run/pretraining", "a#1");

        for (var step = 4; step < 9; step++)
        {
            watch.Reached(StepPhase.Backward, step);
            watch.Reached(StepPhase.Backward, step);
            watch.Reached(StepPhase.Ready, step);
        }

        Assert.Equal([0.5, 0.25, 0.25, 0.25, 0.25], slept);
        Assert.Equal([4L, 5], FaultInjector.Read(_folder, "run/pretraining", onlyFaults: true).Select(entry => entry.Step));
    }

    [Fact]
    public void Read_WorkOfSeveralJobs_ThatOfTheJobAsked()
    {
        using var injector = new FaultInjector(_folder, new ExchangeHub(IPAddress.Loopback), null!);
        injector.Watch("one", "a#1").Computed(3, 2);
        injector.Watch("two", "a#1").Computed(4, 1);
        injector.Watch("one", "a#1").Reached(StepPhase.Commit, 3);
        injector.Watch("one", "a#1").Applied(3);

        Assert.Equal(
            [(LedgerEvent.Computed, 3L, (int?)2), (LedgerEvent.Committed, 3L, null), (LedgerEvent.Applied, 3L, null)],
            FaultInjector.Read(_folder, "one").Select(e => (e.Event, e.Step, e.Lane)));
        Assert.Empty(FaultInjector.Read(_folder, "one", onlyFaults: true));
    }
}
