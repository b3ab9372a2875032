using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Training;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.Silo.Stages;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>Silos on two hosts: gradients travel, and the cable is pulled out.</summary>
[Collection(ProcessCollection.Name)]
public sealed class SeveralHostsTests : IDisposable
{
    private const int Steps = 300, CutAt = 80, JoinedAgainAt = 200;
    private readonly string _root = Directory.CreateTempSubdirectory("cluster-hosts-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [OtherHostFact]
    public async Task Train_TwoHostsOneIsCutOffAndComesBack_SameWeightsAsUndisturbed()
    {
        SmallCorpus.Write(Path.Combine(_root, "corpus"));
        var undisturbed = await new EmbeddedRunHost().RunAsync(Request("alone"), new QuietObserver(), null, CancellationToken.None);
        using var there = new OtherHost();
        await using var store = await TestStore.RedisAsync(OtherHost.Here);
        var state = new ClusterState
        {
            ClusterId = "two-hosts",
            ServiceId = "two-hosts",
            Store = store.Address,
            RunsPath = Path.Combine(_root, "runs"),
            Control = "",
            Supervisor = ProcessIdentity.OfThis(),
        };
        await using var first = LineProcess.Cluster(Silo(state, "here", OtherHost.Here), "silo");
        await first.WaitForAsync("here is up");
        await using var second = there.Cluster(Silo(state, "there", OtherHost.There), "silo");
        await second.WaitForAsync("there is up");
        await using var connection = await ClusterConnection.OpenAsync(state);
        var coordinator = connection.Grains.GetGrain<IAllReduceGrain>(TrainingJob.KeyOf("hosts", StageNames.Pretraining));
        IReadOnlyList<string> members = [];
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
                    there.Plug();
                }
            },
        };
        var disturbed = await new ClusterRunHost(state, "cluster").RunAsync(Request("hosts"), observer, null, CancellationToken.None);

        Assert.Equal(2, members.Count);
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

    private RunRequest Request(string name) => new()
    {
        Folder = new RunFolder(Path.Combine(_root, "runs", name)),
        Recipe = new Recipe
        {
            Name = "small",
            Model = new ModelShape { Layers = 2, Width = 64, Heads = 2, Context = 64, FeedForward = 128 },
            Training = new TrainingRecipe { Steps = Steps, Lanes = 4, MicroBatch = 2, LearningRate = 1e-3, EvaluateEvery = 100, CheckpointEvery = 150, Precision = Precision.Fp32 },
            Tokenizer = new TokenizerRecipe { Vocabulary = 400 },
            FineTuning = new FineTuningRecipe { Steps = 0 },
        },
        CorpusPath = Path.Combine(_root, "corpus"),
        Replicas = 1,
        Silos = ["local"],
    };
}
