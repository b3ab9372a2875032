using System.Text.RegularExpressions;
using Cluster.Cli.Hosting;
using Cluster.Cli.Hosting.Local;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.EndToEnd.Tests.Stages;
using Cluster.Silo.Stages;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>A silo that would not give the same bits comes while a run trains.</summary>
[Collection(ProcessCollection.Name)]
public sealed class RefusalTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("cluster-refusal-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Bf16Fact]
    public async Task Train_SiloOfOtherArithmeticJoins_RefusedWithBothFingerprintsAndTrainingGoesOn()
    {
        SmallCorpus.Write(Path.Combine(_root, "corpus"));
        var runs = Path.Combine(_root, "runs");
        await using var up = LineProcess.Cluster("up", "--silos", "1", "--runs", runs);
        await up.WaitForAsync("Ctrl-C ends it");
        var state = new ClusterFolder(runs).Running("cluster");
        var trains = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        var observer = new QuietObserver { OnPoint = point => { if (point.Loss is not null) Volatile.Read(ref trains).TrySetResult(); } };
        using var enough = new CancellationTokenSource(TimeSpan.FromSeconds(100));
        var training = new ClusterRunHost(state, "cluster").RunAsync(Request(), observer, null, enough.Token);
        await trains.Task.WaitAsync(enough.Token);

        // The same program on the same machine, but its products are added up in another order: like a processor of another kind.
        var environment = ClusterContract.AsEnvironment(ClusterContract.Silo(state, "silo-foreign", Ports.Free(), Ports.Free()));
        environment["ONEDNN_MAX_CPU_ISA"] = "AVX2";
        await using var foreign = LineProcess.Cluster(environment, "silo");
        await up.WaitForAsync("The replica's arithmetic differs");

        var said = Regex.Match(await File.ReadAllTextAsync(state.Silos.Single().Log, enough.Token),
            "Replica (.*silo-foreign.*) is refused: .* its fingerprint is ([0-9a-f]+), the run's is ([0-9a-f]+)");
        Assert.True(said.Success);
        Assert.NotEqual(said.Groups[2].Value, said.Groups[3].Value);
        Assert.False(foreign.Exited.IsCompleted, "it may serve other runs");
        Volatile.Write(ref trains, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
        await trains.Task.WaitAsync(enough.Token);
        await enough.CancelAsync();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => training);
    }

    private RunRequest Request() => new()
    {
        Folder = new RunFolder(Path.Combine(_root, "runs", "refusing")),
        Recipe = new Recipe
        {
            Name = "small",
            Model = new ModelShape { Layers = 2, Width = 64, Heads = 2, Context = 64, FeedForward = 128 },
            Training = new TrainingRecipe { Steps = 100_000, Lanes = 4, MicroBatch = 2, Precision = Precision.Bf16 },
            Tokenizer = new TokenizerRecipe { Vocabulary = 400 },
            FineTuning = new FineTuningRecipe { Steps = 0 },
        },
        CorpusPath = Path.Combine(_root, "corpus"),
        Replicas = 1,
        Silos = ["local"],
    };
}
