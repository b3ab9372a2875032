// Enters: a run's folder. Leaves: its recipe, tokenizer, checkpoints, and decoders of them. Does not know: engines, grains, requests.
using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Tokens;
using Cluster.Inference.Backends;
using Cluster.Inference.Managed;
using Cluster.Inference.Quantization;
using Cluster.Model.Decode;

namespace Cluster.Silo.Inference;

/// <summary>What a run's folder holds of its model. Weights are read when a decoder is made, so it is cheap to keep.</summary>
public sealed class RunSource
{
    private static readonly string[] s_stages = [StageNames.FineTuning, StageNames.Pretraining];

    private RunSource(RunFolder folder, string? quantized, Recipe recipe, ITokenizer tokenizer)
    {
        (Folder, Quantized, Recipe, Tokenizer) = (folder, quantized, recipe, tokenizer);
        Chat = new ChatPrompt(tokenizer, recipe.Model.MaxContext);
    }

    /// <summary>The run's.</summary>
    public RunFolder Folder { get; }

    /// <summary>The quantised model whose weights are meant; null for checkpoints.</summary>
    public string? Quantized { get; }

    /// <summary>As the run resolved it.</summary>
    public Recipe Recipe { get; }

    /// <summary>The run's.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>Conversations as prompts.</summary>
    public ChatPrompt Chat { get; }

    /// <summary>Reads recipe and tokenizer.</summary>
    /// <param name="folder">The run's.</param>
    /// <param name="quantized">A quantised model below it; null for its checkpoints.</param>
    /// <exception cref="UserErrorException">There is no run, or a file of it cannot be read.</exception>
    public static RunSource Open(RunFolder folder, string? quantized = null) => new(folder, quantized, ReadRecipe(folder), TokenizerFile.Load(folder.Tokenizer));

    /// <summary>The newest weights by their manifest, tensors are not looked at: of the quantised model, or of the last training stage that has a checkpoint.</summary>
    /// <returns>The weights and the model's shape; null where there is no checkpoint yet.</returns>
    /// <exception cref="UserErrorException">There is no run, or its recipe or the quantised model cannot be read.</exception>
    public static (RunWeights Weights, ModelShape Shape)? Newest(ServedModel model)
    {
        var (folder, recipe) = (model.Folder, ReadRecipe(model.Folder));
        if (model.Quantized is { } name)
            return (Of(folder.Quantized(name), QuantizedModelFolder.ReadManifest(folder.Quantized(name))), recipe.Model);
        return Newest(folder, recipe) is { } found ? (RunWeights.Of(found), recipe.Model) : null;
    }

    /// <summary>The newest checkpoint by its manifest, of the last training stage that has one; null where there is none.</summary>
    public SavedCheckpoint? Newest() => Newest(Folder, Recipe);

    /// <summary>The newest intact checkpoint of the last training stage that has one.</summary>
    /// <param name="warn">Told of damaged checkpoints that are passed over.</param>
    /// <exception cref="UserErrorException">There is no checkpoint yet.</exception>
    public SavedCheckpoint Latest(Action<string> warn)
    {
        return Stores(Folder, Recipe).Select(store => store.Latest(warn, manifest => manifest.IsOf(Recipe))).FirstOrDefault(found => found is not null)
            ?? throw new UserErrorException($"The run in {Folder.Path} has no checkpoint yet.",
                "Let its training go on until it has saved one: run the same command again to resume.");
    }

    /// <summary>The newest intact weights; a quantised model's tensors are looked at when a decoder is made.</summary>
    /// <param name="warn">Told of damaged checkpoints that are passed over.</param>
    /// <exception cref="UserErrorException">There are none.</exception>
    public RunWeights LatestWeights(Action<string> warn) =>
        Quantized is null ? RunWeights.Of(Latest(warn)) : Of(Folder.Quantized(Quantized), QuantizedModelFolder.ReadManifest(Folder.Quantized(Quantized)));

    /// <summary>Weights by their hash; null where they are gone.</summary>
    /// <param name="sha256">Lower-case hex.</param>
    public RunWeights? WeightsOf(string sha256)
    {
        if (Quantized is null)
            return Of(sha256) is { } checkpoint ? RunWeights.Of(checkpoint) : null;
        return LatestWeights(_ => { }) is { } weights && weights.Sha256 == sha256 ? weights : null;
    }

    /// <summary>The model with some weights; the caller's to dispose of.</summary>
    /// <param name="weights">Of this source.</param>
    /// <param name="precision">How a checkpoint's weights are stored; a quantised model's are as they are.</param>
    /// <param name="cacheTokens">As for <see cref="DecodeBackends.Create"/>.</param>
    /// <param name="backend">What is to compute a checkpoint's weights; a quantised model has managed kernels only.</param>
    /// <param name="threads">Most threads of managed kernels.</param>
    /// <exception cref="UserErrorException">The files do not fit together, or are damaged.</exception>
    public IDecodeBackend Decoder(
        RunWeights weights, DecodePrecision precision, int cacheTokens = 0, DecodeBackendKind backend = DecodeBackendKind.Auto, int threads = 1)
    {
        if (Quantized is null)
            return Decoder(CheckpointStore.Open(weights.Path), precision, cacheTokens, backend, threads);
        var path = Folder.Quantized(Quantized);
        var manifest = QuantizedModelFolder.ReadManifest(path);
        if (manifest.File.Sha256 != weights.Sha256)
            throw new UserErrorException($"The quantised model {path} was replaced.", "Ask again.");
        if (manifest.RecipeSha256 != RecipeJson.Hash(Recipe))
            throw new UserErrorException($"The quantised model {path} is of another recipe than the run's.", "Quantise the run again: `cluster model quantize`.");
        return new ManagedDecoder(QuantizedModelFolder.Load(path, manifest), cacheTokens, threads);
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
    /// <param name="threads">Most threads of managed kernels.</param>
    /// <exception cref="UserErrorException">The files do not fit together, or are damaged.</exception>
    public IDecodeBackend Decoder(
        SavedCheckpoint checkpoint, DecodePrecision precision, int cacheTokens = 0, DecodeBackendKind backend = DecodeBackendKind.Auto, int threads = 1)
    {
        var layout = new ParameterLayout(Recipe.Model);
        var parameters = new float[layout.TotalCount];
        CheckpointStore.Load(checkpoint, layout, parameters, [], []);
        return DecodeBackends.Create(backend, layout, parameters, precision, cacheTokens, threads);
    }

    private static SavedCheckpoint? Newest(RunFolder folder, Recipe recipe) =>
        Stores(folder, recipe).SelectMany(store => Own(store, recipe).Reverse()).FirstOrDefault();

    private static RunWeights Of(string path, QuantizedManifest manifest) => new(manifest.Stage, manifest.Step, manifest.File.Sha256, path);

    private static IEnumerable<CheckpointStore> Stores(RunFolder folder, Recipe recipe) =>
        s_stages.Select(stage => new CheckpointStore(folder.Checkpoints(stage), recipe.Training.KeepCheckpoints));

    private static IEnumerable<SavedCheckpoint> Own(CheckpointStore store, Recipe recipe) => store.List().Where(found => found.Manifest.IsOf(recipe));

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
