using Cluster.Cli.Hosting;
using Cluster.Cli.Runs;
using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Runs;
using Cluster.Silo.Stages;

namespace Cluster.EndToEnd.Tests.Stages;

/// <summary>A run that was steered on its way has the weights that its recipe has without any steering.</summary>
public sealed class SteeringTests : IAsyncLifetime
{
    private const int Steps = 60;
    private static readonly RecipeChange s_slower = new() { FromStep = 35, LearningRate = 2e-4, MicroBatches = 3 };
    private readonly SmallRun _small = new();
    private readonly RunSteering _steering = new(TimeProvider.System);
    private EmbeddedCluster? _cluster;

    public async Task InitializeAsync() => _cluster = await EmbeddedCluster.StartAsync(null);

    public async Task DisposeAsync()
    {
        await _cluster!.DisposeAsync();
        _small.Dispose();
    }

    [Fact]
    public async Task Rollback_ThenReplay_SameBitsAsTheStraightRun()
    {
        var straight = await Run("run");
        var result = _steering.Rollback(Folder("run"), 35, null, fromStart: false);
        Assert.Equal((35L, 30L, 5L), (result.Step, result.Checkpoint, result.Replayed));
        Assert.Equal([60L, 50L, 40L], result.Deleted);
        Assert.False(File.Exists(Folder("run").Summary));
        Assert.Equal(30, Trained("run"));

        var replayed = new QuietObserver();
        var again = await Run("run", replayed);
        Assert.Equal(straight.WeightsSha256, again.WeightsSha256);
        Assert.Equal(31, replayed.Points.First(p => p.Loss is not null).Step);
    }

    [Fact]
    public async Task Steered_RollbackChangeOrBranch_EqualsItsRecipeTrainedStraight()
    {
        var plain = await Run("plain");
        var changed = await Run("changed", recipe: r => r with { Changes = [s_slower] });
        Assert.NotEqual(plain.WeightsSha256, changed.WeightsSha256);

        var branch = _steering.Branch(Folder("plain"), Folder("branch"), 35, s_slower);
        Assert.Equal(30, branch.Checkpoint);
        Assert.Equal(changed.WeightsSha256, (await Run("branch")).WeightsSha256);

        _steering.Rollback(Folder("plain"), 35, s_slower, fromStart: false);
        var steered = await Run("plain");
        Assert.Equal(changed.WeightsSha256, steered.WeightsSha256);
        Assert.Equal(changed.RecipeSha256, steered.RecipeSha256);

        // The way back: what was changed is given up, and the run is what it was before.
        var back = _steering.Rollback(Folder("plain"), 20, null, fromStart: false);
        Assert.Equal([s_slower], back.Abandoned);
        Assert.Equal(plain.WeightsSha256, (await Run("plain")).WeightsSha256);
        Assert.Equal(["rollback", "rollback"], RunJson.ReadLines<SteeringRecord>(Folder("plain").Journal).Select(r => r.Action));

        var comparison = RunComparison.Of([Folder("plain"), Folder("branch")]);
        Assert.Equal(36, comparison.FirstUnequalStep);
        Assert.Contains(comparison.Differences, d => d.Field == "changes.0.learning_rate" && d.Values[0] is null && d.Values[1] == "0.0002");
        Assert.Null(RunComparison.Of([Folder("changed"), Folder("branch")]).FirstUnequalStep);
    }

    [Fact]
    public async Task Change_OfAStoppedRun_HoldsFromItsStep()
    {
        var straight = await Run("straight", recipe: r => r with { Changes = [s_slower with { Data = PhaseData.Best }] });
        await Run("stopped", stopAfter: 30);
        var result = _steering.Change(Folder("stopped"), s_slower with { Data = PhaseData.Best });
        Assert.Equal(30, result.Checkpoint);
        Assert.Equal(straight.WeightsSha256, (await Run("stopped")).WeightsSha256);
    }

    [Fact]
    public async Task Steering_WhatCannotBe_IsRefusedAndChangesNothing()
    {
        await Run("run", recipe: r => r with { Training = r.Training with { KeepCheckpoints = 2 } });
        var before = Contents("run");
        Refused(() => _steering.Rollback(Folder("run"), 61, null, fromStart: false), "STEP is 61");
        Refused(() => _steering.Rollback(Folder("run"), 35, null, fromStart: false), "No checkpoint of step 35 or an earlier one is kept: 50, 60");
        Refused(() => _steering.Rollback(Folder("run"), 55, s_slower with { FromStep = 55, LearningRate = 2 }, fromStart: false), "learning_rate is 2");
        Refused(() => _steering.Change(Folder("run"), s_slower), "has a checkpoint of step 60");
        Refused(() => _steering.Branch(Folder("run"), Folder("run"), 55, null), "already");
        Refused(() => _steering.Rollback(Folder("absent"), 1, null, fromStart: false), "no run");
        using (new FileStream(Folder("run").Lock, FileMode.Create, FileAccess.ReadWrite, FileShare.None))
            Refused(() => _steering.Rollback(Folder("run"), 55, null, fromStart: false), "Somebody works on the run");
        File.Delete(Folder("run").Lock);
        Assert.Equal(before, Contents("run"));

        // What no checkpoint is old enough for can be had by training it all again, when asked for.
        Assert.Equal(0, _steering.Rollback(Folder("run"), 35, null, fromStart: true).Checkpoint);
        Assert.Equal(0, Trained("run"));
    }

    private static void Refused(Action action, string why) => Assert.Contains(why, Assert.Throws<UserErrorException>(action).Message, StringComparison.Ordinal);

    private RunFolder Folder(string name) => _small.Folder(name);

    private long Trained(string name) => RunJson.ReadLines<MetricPoint>(Folder(name).Metrics).Select(p => p.Step).DefaultIfEmpty(0).Max();

    private string[] Contents(string name) =>
        [.. Directory.EnumerateFiles(Folder(name).Path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(f => $"{f} {Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f)))}")];

    private Task<RunSummary> Run(string name, QuietObserver? observer = null, Func<Recipe, Recipe>? recipe = null, long? stopAfter = null)
    {
        var request = _small.Request(name, Steps, checkpointEvery: 10, evaluateEvery: 20);
        var own = request.Recipe with { Training = request.Recipe.Training with { KeepCheckpoints = 10 } };
        request = request with { Recipe = recipe is null ? own : recipe(own), Silos = [EmbeddedCluster.SiloName], StopAfter = stopAfter };
        return new StageRunner(_cluster!.Grains, () => TimeSpan.Zero).RunAsync(request, observer ?? new QuietObserver(), CancellationToken.None);
    }
}
