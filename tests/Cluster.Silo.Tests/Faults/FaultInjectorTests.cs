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
