using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Dialogues;
using Cluster.Data.Tokens;
using Cluster.Inference.Generation;
using Cluster.Inference.Managed;
using Cluster.Inference.Sampling;

namespace Cluster.Silo.Inference;

/// <summary>
/// A run's model ready to write: recipe, tokenizer and newest intact checkpoint of its folder behind a decoder. One reply at a time.
/// </summary>
public sealed class RunModel : IDisposable
{
    private readonly ManagedDecoder _decoder;
    private readonly Generator _generator;
    private readonly ChatTemplate _template;

    private RunModel(Recipe recipe, ITokenizer tokenizer, SavedCheckpoint checkpoint, DecodePrecision precision)
    {
        (Recipe, Tokenizer, Checkpoint) = (recipe, tokenizer, checkpoint);
        var layout = new ParameterLayout(recipe.Model);
        var parameters = new float[layout.TotalCount];
        CheckpointStore.Load(checkpoint, layout, parameters, [], []);
        _decoder = new ManagedDecoder(layout, parameters, precision);
        _generator = new Generator(_decoder, new TokenizerText(tokenizer));
        _template = new ChatTemplate(tokenizer);
    }

    /// <summary>As the run resolved it.</summary>
    public Recipe Recipe { get; }

    /// <summary>The run's.</summary>
    public ITokenizer Tokenizer { get; }

    /// <summary>Where the weights come from.</summary>
    public SavedCheckpoint Checkpoint { get; }

    /// <summary>Whether it was fine-tuned to answer.</summary>
    public bool IsAssistant => Checkpoint.Manifest.Stage == StageNames.FineTuning;

    /// <summary>Opens the last training stage that has an intact checkpoint.</summary>
    /// <param name="folder">The run's.</param>
    /// <param name="warn">Told of damaged checkpoints that are passed over.</param>
    /// <param name="precision">How weights are stored.</param>
    /// <exception cref="UserErrorException">There is no run, or it has no checkpoint yet, or the files do not fit together.</exception>
    public static RunModel Open(RunFolder folder, Action<string> warn, DecodePrecision precision = DecodePrecision.Fp32)
    {
        var recipe = RecipeJson.Parse(ReadText(folder.Required().Recipe), folder.Recipe);
        foreach (var stage in (string[])[StageNames.FineTuning, StageNames.Pretraining])
        {
            if (new CheckpointStore(folder.Checkpoints(stage), recipe.Training.KeepCheckpoints).Latest(warn, RecipeJson.Hash(recipe)) is { } checkpoint)
                return new RunModel(recipe, TokenizerFile.Load(folder.Tokenizer), checkpoint, precision);
        }

        throw new UserErrorException($"The run in {folder.Path} has no checkpoint yet.", "Let its training go on until it has saved one: run the same command again to resume.");
    }

    /// <summary>Goes on from a text.</summary>
    public ReplyStream Write(string prompt, GenerationOptions options, CancellationToken cancellation = default) =>
        Write([Tokenizer.Special.BeginOfText, .. Tokenizer.Encode(prompt)], options, cancellation);

    /// <summary>
    /// Answers a conversation that ends with the user's turn. Its oldest turns are left out where it does not fit into the context
    /// together with the reply.
    /// </summary>
    public ReplyStream Reply(IReadOnlyList<ChatMessage> messages, GenerationOptions options, CancellationToken cancellation = default)
    {
        var room = Recipe.Model.MaxContext - Math.Min(options.MaxTokens, Recipe.Model.MaxContext / 2);
        var turns = messages.ToList();
        var prompt = _template.RenderPrompt(turns);
        while (prompt.Length > room && turns.Count(m => m.Role == ChatRole.User) > 1)
        {
            var oldest = turns.FindIndex(m => m.Role == ChatRole.User);
            turns.RemoveRange(oldest, 2);
            prompt = _template.RenderPrompt(turns);
        }

        return Write(prompt, options, cancellation);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _generator.Dispose();
        _decoder.Dispose();
    }

    private ReplyStream Write(int[] prompt, GenerationOptions options, CancellationToken cancellation) =>
        _generator.Generate(prompt, options with { StopTokens = [.. options.StopTokens, Tokenizer.Special.EndOfText] }, 0, cancellation);

    private static string ReadText(string path)
    {
        try
        {
            return File.ReadAllText(path);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserErrorException($"{path} cannot be read: {error.Message}", "Check the folder's permissions.", error);
        }
    }
}
