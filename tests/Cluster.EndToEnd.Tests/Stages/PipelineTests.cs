using Cluster.Cli.Hosting;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Dialogues;
using Cluster.Inference.Sampling;
using Cluster.Silo.Inference;
using Cluster.Silo.Stages;

namespace Cluster.EndToEnd.Tests.Stages;

/// <summary>The whole path on a small text: from a folder to a model that replies, on an embedded cluster.</summary>
public sealed class PipelineTests : IAsyncLifetime
{
    private readonly string _root = Directory.CreateTempSubdirectory("cluster").FullName;
    private EmbeddedCluster? _cluster;

    public async Task InitializeAsync()
    {
        _cluster = await EmbeddedCluster.StartAsync(null);
        SmallCorpus.Write(Path.Combine(_root, "corpus"));
    }

    public async Task DisposeAsync()
    {
        await _cluster!.DisposeAsync();
        Directory.Delete(_root, recursive: true);
    }

    [Fact]
    public async Task Run_StoppedAndResumedOnOtherReplicas_SameWeightsAsStraight()
    {
        // Long enough that a stop asked for at step 13 comes long before the end.
        const int steps = 400;
        var straight = await Run("straight", replicas: 1, steps: steps);
        var three = await Run("three", replicas: 3, steps: steps);
        Assert.Equal(straight.WeightsSha256, three.WeightsSha256);
        Assert.Equal(straight.ValidationLoss, three.ValidationLoss);

        using var stop = new CancellationTokenSource();
        var halfway = new QuietObserver { OnPoint = p => { if (p is { Stage: StageNames.Pretraining, Step: 13 }) stop.Cancel(); } };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Run("stopped", replicas: 2, steps: steps, observer: halfway, cancellation: stop.Token));
        var resumed = new QuietObserver();
        var whole = await Run("stopped", replicas: 3, steps: steps, observer: resumed);
        Assert.Equal(straight.WeightsSha256, whole.WeightsSha256);
        Assert.Equal(1, whole.CheckpointsLoaded);
        Assert.Contains((StageNames.Shards, true), resumed.Stages);
        Assert.DoesNotContain(resumed.Points, p => p is { Stage: StageNames.Pretraining, Step: 13, Loss: not null });
        // Each step once, in order, whatever was stopped and resumed.
        var trained = RunJson.ReadLines<MetricPoint>(Folder("stopped").Metrics).Where(p => p is { Stage: StageNames.Pretraining, Loss: not null }).Select(p => p.Step);
        Assert.Equal(Enumerable.Range(1, steps).Select(i => (long)i), trained);

        var other = await Run("other", replicas: 1, steps: steps, seed: 4);
        Assert.NotEqual(straight.WeightsSha256, other.WeightsSha256);
    }

    [Fact]
    public async Task Run_Finished_FolderIsAllThatIsNeededToReply()
    {
        var summary = await Run("done", replicas: 2);
        Assert.Equal(30 + 12, summary.Steps);
        Assert.InRange(summary.ValidationBitsPerByte, 0.1, 8);
        Assert.Equal(["corpus", "tokenizer", "shards", "plan", "pretraining", "fine_tuning", "evaluation"], summary.Stages.Select(s => s.Name));

        var again = new QuietObserver();
        Assert.Equal(summary.WeightsSha256, (await Run("done", replicas: 1, observer: again)).WeightsSha256);
        Assert.All(again.Stages.Where(s => s.Stage != StageNames.Evaluation), s => Assert.True(s.Skipped, s.Stage));
        Assert.Empty(again.Points);

        Directory.Move(Folder("done").Path, Folder("moved").Path);
        using var model = RunModel.Open(Folder("moved"), _ => { });
        Assert.True(model.IsAssistant);
        var options = new GenerationOptions { Temperature = 0, MaxTokens = 12 };
        ChatMessage[] question = [new(ChatRole.User, "What about the gadget3 number 3?")];
        var reply = string.Concat(model.Reply(question, options).Select(t => t.Text));
        Assert.Equal(reply, string.Concat(model.Reply(question, options).Select(t => t.Text)));
    }

    [Fact]
    public async Task Run_CancelledWhileItsRunnerMoves_StaysCancelledUntilItIsSubmittedAgain()
    {
        const int steps = 400;
        var submitted = DateTimeOffset.UnixEpoch;
        using var stop = new CancellationTokenSource();
        var first = new QuietObserver { OnPoint = p => { if (p is { Stage: StageNames.Pretraining, Step: 13 }) stop.Cancel(); } };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Run("moved", replicas: 1, steps: steps, observer: first, cancellation: stop.Token, submittedAt: submitted));
        var files = Directory.GetDirectories(Folder("moved").Checkpoints(StageNames.Pretraining));

        // The next runner of the same order has not seen the end.
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Run("moved", replicas: 1, steps: steps, submittedAt: submitted));
        Assert.Equal(files, Directory.GetDirectories(Folder("moved").Checkpoints(StageNames.Pretraining)));

        var again = await Run("moved", replicas: 1, steps: steps, submittedAt: submitted.AddSeconds(1));
        Assert.Equal(1, again.CheckpointsLoaded);
    }

    [Fact]
    public async Task Run_CorruptCheckpoint_EarlierOneAndSameWeights()
    {
        const int steps = 400;
        var straight = await Run("straight", replicas: 1, steps: steps);
        using var stop = new CancellationTokenSource();
        var until = new QuietObserver { OnPoint = p => { if (p is { Stage: StageNames.Pretraining, Step: 25 }) stop.Cancel(); } };
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Run("corrupt", replicas: 1, steps: steps, observer: until, cancellation: stop.Token));
        var newest = Directory.GetDirectories(Folder("corrupt").Checkpoints(StageNames.Pretraining)).Order(StringComparer.Ordinal).Last();
        using (var file = new FileStream(Path.Combine(newest, "weights.safetensors"), FileMode.Open, FileAccess.ReadWrite))
        {
            file.Position = file.Length / 2;
            var value = file.ReadByte();
            file.Position--;
            file.WriteByte((byte)(value ^ 1));
        }

        var observer = new QuietObserver();
        var resumed = await Run("corrupt", replicas: 1, steps: steps, observer: observer);
        Assert.Contains(observer.Warnings, w => w.Contains("weights.safetensors", StringComparison.Ordinal));
        Assert.Equal(straight.WeightsSha256, resumed.WeightsSha256);
    }

    [Fact]
    public async Task Run_StopAfter_ScheduleStaysTheRecipes()
    {
        var straight = await Run("straight", replicas: 1);
        var short_ = await Run("short", replicas: 1, stopAfter: 10);
        Assert.Equal(10, short_.Steps);
        var whole = await Run("short", replicas: 2);
        Assert.Equal(straight.WeightsSha256, whole.WeightsSha256);
    }

    [Fact]
    public async Task Run_OnABuiltCorpus_TakesItsTokenizer()
    {
        var curation = new CurationRecipe
        {
            Sources = [new FolderRecipe { Name = "gadgets", Path = Path.Combine(_root, "corpus") }],
            Stages = CurationPresets.Reference,
            Duplicates = new DuplicatesRecipe { Near = null },
            Tokenizer = new VocabularyRecipe { Vocabulary = 384 },
        };
        var built = new CorpusFolder(Path.Combine(_root, "built"));
        CorpusRunner.Run(await CorpusJob.PrepareAsync(built, curation, new CorpusResources()), 2);
        var own = await Run("own", replicas: 1, steps: 10, corpus: built.Shards);
        var its = await Run("its", replicas: 2, steps: 10, corpus: built.Root);
        Assert.Equal(File.ReadAllBytes(built.Tokenizer), File.ReadAllBytes(Folder("its").Tokenizer));
        // Control: a run on the texts alone learns from those that it does not hold out.
        Assert.NotEqual(File.ReadAllBytes(built.Tokenizer), File.ReadAllBytes(Folder("own").Tokenizer));
        Assert.NotEqual(own.WeightsSha256, its.WeightsSha256);
        Assert.Equal(its.WeightsSha256, (await Run("its", replicas: 1, steps: 10, corpus: built.Root)).WeightsSha256);

        CorpusJob.OpenPieces(built, new CorpusResources()).LearnTokenizer(300, Path.Combine(_root, "other.json"));
        File.Copy(Path.Combine(_root, "other.json"), built.Tokenizer, overwrite: true);
        var error = await Assert.ThrowsAsync<UserErrorException>(() => Run("refused", replicas: 1, steps: 10, corpus: built.Root));
        Assert.Contains("tokenizer.vocabulary=300", error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_FolderInUse_SaysSo()
    {
        Directory.CreateDirectory(Folder("busy").Path);
        using var held = new FileStream(Folder("busy").Lock, FileMode.Create, FileAccess.ReadWrite, FileShare.None);
        var error = await Assert.ThrowsAsync<UserErrorException>(() => Run("busy", replicas: 1));
        Assert.Contains("Another process", error.Message, StringComparison.Ordinal);
    }

    private RunFolder Folder(string name) => new(Path.Combine(_root, name));

    private Task<RunSummary> Run(
        string name, int replicas, int steps = 30, ulong seed = 3, long? stopAfter = null, QuietObserver? observer = null,
        CancellationToken cancellation = default, string? corpus = null, DateTimeOffset? submittedAt = null)
    {
        var request = new RunRequest
        {
            Folder = Folder(name),
            Recipe = Recipe(seed, steps),
            CorpusPath = corpus ?? Path.Combine(_root, "corpus"),
            Replicas = replicas,
            Silos = [EmbeddedCluster.SiloName],
            StopAfter = stopAfter,
            SubmittedAt = submittedAt,
        };
        return new StageRunner(_cluster!.Grains, () => TimeSpan.Zero).RunAsync(request, observer ?? new QuietObserver(), cancellation);
    }

    private static Recipe Recipe(ulong seed, int steps) => new()
    {
        Name = "small",
        Seed = seed,
        Tokenizer = new TokenizerRecipe { Vocabulary = 384 },
        Model = new ModelShape { Layers = 2, Width = 32, Heads = 2, Context = 32 },
        Training = new TrainingRecipe
        {
            Steps = steps,
            Lanes = 6,
            MicroBatch = 2,
            EvaluateEvery = 10,
            EvaluationTokens = 1_024,
            CheckpointEvery = 8,
            Precision = Precision.Fp32,
        },
        FineTuning = new FineTuningRecipe { Steps = 12, MicroBatch = 2, EvaluateEvery = 6, CheckpointEvery = 5 },
    };
}
