// Enters: a run's folder. Leaves: its recipe, tokenizer, checkpoints, and decoders of them. Does not know: engines, grains, requests.
using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Tokens;
using Cluster.Inference.Backends;
using Cluster.Inference.Managed;
using Cluster.Model.Decode;

namespace Cluster.Silo.Inference;

/// <summary>What a run's folder holds of its model. Weights are read when a decoder is made, so it is cheap to keep.</summary>
public sealed class RunSource
{
    private static readonly string[] s_stages = [StageNames.FineTuning, StageNames.Pretraining];

    private RunSource(RunFolder folder, Recipe recipe, ITokenizer tokenizer)
    {
        (Folder, Recipe, Tokenizer) = (folder, recipe, tokenizer);
        Chat = new ChatPrompt(tokenizer, recipe.Model.MaxContext);
    }

    /// <summary>The run's.</summary>
    public RunFolder Folder { get; }

    /// <summary>As the run resolved it.</summary>
    public Recipe Recipe { get; }

    /// <summary>The run's.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>Conversations as prompts.</summary>
    public ChatPrompt Chat { get; }

    /// <summary>Reads recipe and tokenizer.</summary>
    /// <exception cref="UserErrorException">There is no run, or a file of it cannot be read.</exception>
    public static RunSource Open(RunFolder folder) => new(folder, ReadRecipe(folder), TokenizerFile.Load(folder.Tokenizer));

    /// <summary>The newest checkpoint of the last training stage that has one, by its manifest; its tensors are not looked at.</summary>
    /// <returns>The checkpoint and the model's shape; null where there is no checkpoint yet.</returns>
    /// <exception cref="UserErrorException">There is no run, or its recipe cannot be read.</exception>
    public static (SavedCheckpoint Checkpoint, ModelShape Shape)? Newest(RunFolder folder)
    {
        var recipe = ReadRecipe(folder);
        return Stores(folder, recipe).SelectMany(store => Own(store, recipe).Reverse()).FirstOrDefault() is { } found ? (found, recipe.Model) : null;
    }

    /// <summary>The newest intact checkpoint of the last training stage that has one.</summary>
    /// <param name="warn">Told of damaged checkpoints that are passed over.</param>
    /// <exception cref="UserErrorException">There is no checkpoint yet.</exception>
    public SavedCheckpoint Latest(Action<string> warn)
    {
        var hash = RecipeJson.Hash(Recipe);
        return Stores(Folder, Recipe).Select(store => store.Latest(warn, hash)).FirstOrDefault(found => found is not null)
            ?? throw new UserErrorException($"The run in {Folder.Path} has no checkpoint yet.",
                "Let its training go on until it has saved one: run the same command again to resume.");
    }

    /// <summary>The checkpoint with just these weights; null where it was deleted.</summary>
    /// <param name="weightsSha256">Lower-case hex.</param>
    public SavedCheckpoint? Of(string weightsSha256) =>
        Stores(Folder, Recipe).SelectMany(store => Own(store, Recipe)).FirstOrDefault(found => found.Manifest.WeightsSha256 == weightsSha256);

    /// <summary>The model with a checkpoint's weights; the caller's to dispose of.</summary>
    /// <param name="checkpoint">Of this run.</param>
    /// <param name="precision">How weights are stored.</param>
    /// <param name="cacheTokens">As for <see cref="DecodeBackends.Create"/>.</param>
    /// <param name="backend">What is to compute it.</param>
    /// <exception cref="UserErrorException">The files do not fit together, or are damaged.</exception>
    public IDecodeBackend Decoder(
        SavedCheckpoint checkpoint, DecodePrecision precision, int cacheTokens = 0, DecodeBackendKind backend = DecodeBackendKind.Auto)
    {
        var layout = new ParameterLayout(Recipe.Model);
        var parameters = new float[layout.TotalCount];
        CheckpointStore.Load(checkpoint, layout, parameters, [], []);
        return DecodeBackends.Create(backend, layout, parameters, precision, cacheTokens);
    }

    private static IEnumerable<CheckpointStore> Stores(RunFolder folder, Recipe recipe) =>
        s_stages.Select(stage => new CheckpointStore(folder.Checkpoints(stage), recipe.Training.KeepCheckpoints));

    private static IEnumerable<SavedCheckpoint> Own(CheckpointStore store, Recipe recipe)
    {
        var hash = RecipeJson.Hash(recipe);
        return store.List().Where(found => found.Manifest.RecipeSha256 == hash);
    }

    private static Recipe ReadRecipe(RunFolder folder)
    {
        var path = folder.Required().Recipe;
        try
        {
            return RecipeJson.Parse(File.ReadAllText(path), path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{path} cannot be read: {error.Message}", "Check the folder's permissions.", error);
        }
    }
}
