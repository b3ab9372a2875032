using System.Diagnostics;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Training;
using Cluster.Core.Checkpoints;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.ServiceDefaults;
using Cluster.Silo.Stages;
using Orleans.Runtime;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>A run whose replicas share the optimizer's state, on silo processes that are killed and added: the bits are the replicated one's.</summary>
[Collection(ProcessCollection.Training)]
public sealed class ShardedOptimizerTests : IDisposable
{
    private const int Steps = 120, CheckpointEvery = 50;
    private readonly SmallRun _run = new();

    public void Dispose() => _run.Dispose();

    [Fact]
    public async Task Train_ShardedOneKilledOneAddedThenOwnerAndBuddyKilled_SameBitsAsReplicated()
    {
        var replicated = await new EmbeddedRunHost().RunAsync(Request("replicated", sharded: false), new QuietObserver(), Ports.Free(), CancellationToken.None);

        var runs = _run.Runs;
        await using var up = LineProcess.Cluster("up", "--silos", "3", "--runs", runs);
        await up.WaitForAsync("Ctrl-C ends it");
        var folder = new ClusterFolder(runs);
        Task<(int Code, string Text)>? adding = null;
        var killed = await TrainAsync("killed", (step, state) =>
        {
            if (step == 20)
                Kill(state.Silos[1]);
            else if (step == 50)
                adding = LineProcess.RunAsync("silo", "add", "--runs", runs);
        });
        Assert.NotNull(adding);
        Assert.Equal(0, (await adding).Code);
        Assert.Equal(0, killed.CheckpointsLoaded);
        AssertSame(replicated, killed);
        // Whichever replica wrote it has gathered what others hold.
        Assert.Equal(Checkpoint("replicated"), Checkpoint("killed"));

        var twice = await TrainAsync("twice", (step, state) =>
        {
            // Of three replicas any two are some slice's owner and buddy. One of these has the coordinator besides.
            if (step == 70)
                Array.ForEach([.. state.Silos.Where(silo => IsAlive(silo)).Take(2)], Kill);
        });
        Assert.Equal(1, twice.CheckpointsLoaded);
        AssertSame(replicated, twice);
        // Whichever silo drove the run has said so; whoever watched may have lost that one.
        Assert.Contains(Directory.GetFiles(Path.GetDirectoryName(folder.Log("any"))!), log => Read(log).Contains(
            "goes back to step 50 and computes the same steps again", StringComparison.Ordinal));
        Assert.Equal(Checkpoint("replicated"), Checkpoint("twice"));
        // Each step once, with the same figures, though some were computed twice.
        Assert.Equal(Trained("replicated"), Trained("twice"));

        async Task<RunSummary> TrainAsync(string name, Action<long, ClusterState> disturb)
        {
            var happened = new HashSet<long>();
            var observer = new QuietObserver
            {
                OnPoint = point =>
                {
                    if (point.Stage == StageNames.Pretraining && point.Loss is not null && happened.Add(point.Step))
                        disturb(point.Step, folder.Running("cluster"));
                },
            };
            return await new ClusterRunHost(folder.Running("cluster"), "cluster").RunAsync(Request(name, sharded: true), observer, null, CancellationToken.None);
        }
    }

    private static string Read(string log)
    {
        using var reader = new StreamReader(new FileStream(log, FileMode.Open, FileAccess.Read, FileShare.ReadWrite));
        return reader.ReadToEnd();
    }

    private static void AssertSame(RunSummary replicated, RunSummary sharded)
    {
        Assert.Equal(replicated.WeightsSha256, sharded.WeightsSha256);
        Assert.Equal(replicated.ValidationLoss, sharded.ValidationLoss);
    }

    private RunRequest Request(string name, bool sharded)
    {
        var request = _run.Request(name, Steps, CheckpointEvery, evaluateEvery: 0);
        // Some slices for each of three owners.
        return request with
        {
            Recipe = request.Recipe with
            {
                Model = request.Recipe.Model with { Width = 128, FeedForward = 256 },
                Training = request.Recipe.Training with { ShardedOptimizer = sharded },
            },
        };
    }

    private (string State, string Recipe) Checkpoint(string run)
    {
        var manifest = new CheckpointStore(_run.Folder(run).Checkpoints(StageNames.Pretraining), 9).List()[^1].Manifest;
        return (manifest.StateSha256, manifest.RecipeSha256);
    }

    private List<(long Step, double? Loss, double? Norm)> Trained(string run) =>
        [.. RunJson.ReadLines<MetricPoint>(_run.Folder(run).Metrics).Where(p => p is { Stage: StageNames.Pretraining, Loss: not null })
            .Select(p => (p.Step, p.Loss, p.GradientNorm))];

    private static void Kill(LocalProcess silo) => Process.GetProcessById(silo.Process.Pid).Kill();

    private static bool IsAlive(LocalProcess silo)
    {
        try
        {
            return !Process.GetProcessById(silo.Process.Pid).HasExited;
        }
        catch (ArgumentException)
        {
            return false;
        }
    }
}
