using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.Silo.Stages;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>What training needs besides its silos goes away while it trains: the store, the checkpoints' folder.</summary>
[Collection(ProcessCollection.Name)]
public sealed class OutageTests : IDisposable
{
    private const int Steps = 300;
    private readonly string _root = Directory.CreateTempSubdirectory("cluster-outage-").FullName;

    private string Runs => Path.Combine(_root, "runs");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task Train_StoreKilledAndCheckpointFolderVanishes_GoesOnToTheSameWeights()
    {
        SmallCorpus.Write(Path.Combine(_root, "corpus"));
        var undisturbed = await new EmbeddedRunHost().RunAsync(Request("alone"), new QuietObserver(), null, CancellationToken.None);
        await using var up = LineProcess.Cluster("up", "--silos", "2", "--runs", Runs);
        await up.WaitForAsync("Ctrl-C ends it");
        var state = new ClusterFolder(Runs).Running("cluster");
        var checkpoints = Path.Combine(Runs, "outage", "checkpoints");
        var happened = false;
        var observer = new QuietObserver
        {
            OnPoint = point =>
            {
                if (happened || point.Loss is null)
                    return;
                happened = true;
                using (var store = System.Diagnostics.Process.GetProcessById(state.Others.Single(process => process.Name == "store").Process.Pid))
                    store.Kill();
                // A file where the folder should be: not even root can write there.
                if (Directory.Exists(checkpoints))
                    Directory.Delete(checkpoints, recursive: true);
                File.WriteAllText(checkpoints, "");
            },
            OnWarning = warning =>
            {
                if (warning.StartsWith("The checkpoint of step", StringComparison.Ordinal))
                    File.Delete(checkpoints);
            },
        };
        var disturbed = await new ClusterRunHost(state, "cluster").RunAsync(Request("outage"), observer, null, CancellationToken.None);

        await up.WaitForAsync("store was killed (signal 9); it is started again");
        Assert.Contains(observer.Warnings, warning => warning.StartsWith("The checkpoint of step", StringComparison.Ordinal) && warning.Contains("Training goes on", StringComparison.Ordinal));
        Assert.Equal((undisturbed.WeightsSha256, 0), (disturbed.WeightsSha256, disturbed.CheckpointsLoaded));
    }

    [RedisFact]
    public async Task Train_StoreComesBackEmpty_StopsWithTheReason()
    {
        SmallCorpus.Write(Path.Combine(_root, "corpus"));
        await using var store = await TestStore.RedisAsync();
        await using var up = LineProcess.Cluster("up", "--silos", "1", "--redis", store.Address, "--runs", Runs);
        await up.WaitForAsync("Ctrl-C ends it");
        await using var redis = await store.ConnectAsync();
        var emptied = false;
        var observer = new QuietObserver
        {
            OnPoint = point =>
            {
                if (emptied || point.Loss is null)
                    return;
                emptied = true;
                redis.GetDatabase().Execute("FLUSHALL");
            },
        };

        var error = await Assert.ThrowsAsync<UserErrorException>(() =>
            new ClusterRunHost(new ClusterFolder(Runs).Running("cluster"), "cluster").RunAsync(Request("emptied", steps: 100_000), observer, null, CancellationToken.None));

        // Whoever finds it first says so: a driver that writes, a coordinator that commits, or a new one that a replica already knows.
        Assert.Matches("The store (has come back|is) empty", error.What);
    }

    private RunRequest Request(string name, int steps = Steps) => new()
    {
        Folder = new RunFolder(Path.Combine(Runs, name)),
        Recipe = new Recipe
        {
            Name = "small",
            Model = new ModelShape { Layers = 2, Width = 64, Heads = 2, Context = 64, FeedForward = 128 },
            Training = new TrainingRecipe { Steps = steps, Lanes = 4, MicroBatch = 2, LearningRate = 1e-3, EvaluateEvery = 100, CheckpointEvery = 20, Precision = Precision.Fp32 },
            Tokenizer = new TokenizerRecipe { Vocabulary = 400 },
            FineTuning = new FineTuningRecipe { Steps = 0 },
        },
        CorpusPath = Path.Combine(_root, "corpus"),
        Replicas = 1,
        Silos = ["local"],
    };
}
