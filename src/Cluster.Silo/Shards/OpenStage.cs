using Cluster.Contracts.Training;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Shards;

namespace Cluster.Silo.Shards;

/// <summary>A training stage's shards, open: the source of its steps and the files behind it.</summary>
internal sealed class OpenStage : IDisposable
{
    private readonly List<ShardReader> _readers = [];
    private readonly RunFolder _folder;

    /// <exception cref="Core.Errors.UserErrorException">A dataset is missing or damaged, or too small for the recipe.</exception>
    public OpenStage(TrainingJob job)
    {
        _folder = new RunFolder(job.RunPath);
        var recipe = RecipeJson.Parse(job.RecipeJson, "The job's recipe");
        try
        {
            Source = job.Stage == StageNames.Pretraining
                ? new PretrainingStepSource(recipe, data => Open(data == PhaseData.Best ? Datasets.TrainBest : Datasets.Train), Open(Datasets.Validation))
                : new DialogueStepSource(recipe, Open(Datasets.Dialogues), Open(Datasets.DialoguesValidation));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    /// <summary>The source of its steps.</summary>
    public IStepSource Source { get; }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var reader in _readers)
            reader.Dispose();
        _readers.Clear();
    }

    private ShardReader Open(string dataset)
    {
        var reader = ShardReader.Open(_folder.Dataset(dataset));
        _readers.Add(reader);
        return reader;
    }
}
