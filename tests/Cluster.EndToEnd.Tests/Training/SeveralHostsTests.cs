using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Training;
using Cluster.Core.Runs;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.ServiceDefaults;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>Silos on two hosts: gradients travel, and the cable is pulled out.</summary>
[Collection(ProcessCollection.Training)]
public sealed class SeveralHostsTests : IDisposable
{
    private const int Steps = 300, CutAt = 80, JoinedAgainAt = 200;
    private readonly SmallRun _run = new();

    public void Dispose() => _run.Dispose();

    [OtherHostFact]
    public async Task Train_TwoHostsOneIsCutOffAndComesBack_SameWeightsAsUndisturbed()
    {
        var undisturbed = await new EmbeddedRunHost().RunAsync(_run.Request("alone", Steps), new QuietObserver(), null, CancellationToken.None);
        using var there = new OtherHost();
        await using var store = await TestStore.RedisAsync(OtherHost.Here);
        var state = new ClusterState
        {
            ClusterId = "two-hosts",
            ServiceId = "two-hosts",
            Store = store.Address,
            RunsPath = _run.Runs,
            Control = "",
            Supervisor = ProcessIdentity.OfThis(),
        };
        await using var first = LineProcess.Cluster(Silo(state, "here", OtherHost.Here), "silo");
        await first.WaitForAsync("here is up");
        await using var second = there.Cluster(Silo(state, "there", OtherHost.There), "silo");
        await second.WaitForAsync("there is up");
        await using var connection = await ClusterConnection.OpenAsync(state);
        var coordinator = connection.Grains.GetGrain<IAllReduceGrain>(TrainingJob.KeyOf("hosts", StageNames.Pretraining));
        IReadOnlyList<string> members = [], left = [];
        long last = 0;
        var observer = new QuietObserver
        {
            OnPoint = point =>
            {
                if (point.Loss is null || point.Step <= last)
                    return;
                last = point.Step;
                if (last == CutAt)
                {
                    members = coordinator.GetProgressAsync().GetAwaiter().GetResult().Members;
                    there.Unplug();
                }
                else if (last == JoinedAgainAt)
                {
                    left = coordinator.GetProgressAsync().GetAwaiter().GetResult().Members;
                    there.Plug();
                }
            },
        };
        var disturbed = await new ClusterRunHost(state, "cluster").RunAsync(_run.Request("hosts", Steps), observer, null, CancellationToken.None);

        // Were both never together, or never apart, equal weights would say nothing.
        Assert.Equal(2, members.Count);
        Assert.Contains("here", Assert.Single(left), StringComparison.Ordinal);
        await first.WaitForAsync("travel over TCP, not shared memory");
        Assert.Equal((undisturbed.WeightsSha256, 0), (disturbed.WeightsSha256, disturbed.CheckpointsLoaded));
    }

    private static Dictionary<string, string?> Silo(ClusterState state, string name, string address)
    {
        var contract = ClusterContract.Silo(state, name, Ports.Free(), Ports.Free());
        contract["Orleans:Endpoints:AdvertisedIPAddress"] = address;
        contract["Cluster:DataPlaneAddress"] = address;
        return ClusterContract.AsEnvironment(contract);
    }
}
