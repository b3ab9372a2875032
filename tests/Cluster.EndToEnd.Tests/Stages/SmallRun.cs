using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Stages;

namespace Cluster.EndToEnd.Tests.Stages;

/// <summary>Runs of seconds: a model of two layers on the small corpus, in a folder of their own.</summary>
internal sealed class SmallRun : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("cluster-small-").FullName;

    public SmallRun() => SmallCorpus.Write(Path.Combine(_root, "corpus"));

    /// <summary>The folder of runs.</summary>
    public string Runs => Path.Combine(_root, "runs");

    public RunFolder Folder(string name) => new(Path.Combine(Runs, name));

    /// <param name="name">The run's.</param>
    /// <param name="steps">Of pre-training; there is no fine-tuning.</param>
    /// <param name="checkpointEvery">Steps.</param>
    /// <param name="evaluateEvery">Steps.</param>
    /// <param name="precision">Of activations.</param>
    public RunRequest Request(string name, int steps, int checkpointEvery = 150, int evaluateEvery = 100, Precision precision = Precision.Fp32) => new()
    {
        Folder = Folder(name),
        Recipe = new Recipe
        {
            Name = "small",
            Model = new ModelShape { Layers = 2, Width = 64, Heads = 2, Context = 64, FeedForward = 128 },
            Training = new TrainingRecipe
            {
                Steps = steps,
                Lanes = 4,
                MicroBatch = 2,
                LearningRate = 1e-3,
                EvaluateEvery = evaluateEvery,
                CheckpointEvery = checkpointEvery,
                Precision = precision,
            },
            Tokenizer = new TokenizerRecipe { Vocabulary = 400 },
            FineTuning = new FineTuningRecipe { Steps = 0 },
        },
        CorpusPath = Path.Combine(_root, "corpus"),
        Replicas = 1,
        Silos = ["local"],
    };

    public void Dispose() => Directory.Delete(_root, recursive: true);
}
