using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Dialogues;
using Cluster.Data.Tokens;
using Cluster.Inference.Backends;
using Cluster.Inference.Generation;
using Cluster.Inference.Managed;
using Cluster.Inference.Sampling;

namespace Cluster.Silo.Inference;

/// <summary>
/// A run's model ready to write: recipe, tokenizer and newest intact checkpoint of its folder behind a decoder. One reply at a time.
/// </summary>
public sealed class RunModel : IDisposable
{
    private readonly RunSource _source;
    private readonly IDecodeBackend _decoder;
    private readonly Generator _generator;

    private RunModel(RunSource source, RunWeights weights, DecodePrecision precision)
    {
        (_source, Weights) = (source, weights);
        _decoder = source.Decoder(weights, precision);
        _generator = new Generator(_decoder, new TokenizerText(source.Tokenizer));
    }

    /// <summary>As the run resolved it.</summary>
    public Recipe Recipe => _source.Recipe;

    /// <summary>The run's.</summary>
    public ITokenizer Tokenizer => _source.Tokenizer;

    /// <summary>Where the weights come from.</summary>
    public RunWeights Weights { get; }

    /// <summary>Whether it was fine-tuned to answer.</summary>
    public bool IsAssistant => Weights.Stage == StageNames.FineTuning;

    /// <summary>Opens the last training stage that has an intact checkpoint.</summary>
    /// <param name="folder">The run's.</param>
    /// <param name="warn">Told of damaged checkpoints that are passed over.</param>
    /// <param name="precision">How a checkpoint's weights are stored.</param>
    /// <param name="quantized">A quantised model below the run; null for its newest checkpoint.</param>
    /// <exception cref="UserErrorException">There is no run, or it has no checkpoint yet, or the files do not fit together.</exception>
    public static RunModel Open(RunFolder folder, Action<string> warn, DecodePrecision precision = DecodePrecision.Fp32, string? quantized = null)
    {
        var source = RunSource.Open(folder, quantized);
        return new RunModel(source, source.LatestWeights(warn), precision);
    }

    /// <summary>Goes on from a text.</summary>
    public ReplyStream Write(string prompt, GenerationOptions options, CancellationToken cancellation = default) =>
        Write([Tokenizer.Special.BeginOfText, .. Tokenizer.Encode(prompt)], options, cancellation);

    /// <summary>Answers a conversation that ends with the user's turn; see <see cref="ChatPrompt"/>.</summary>
    public ReplyStream Reply(IReadOnlyList<ChatMessage> messages, GenerationOptions options, CancellationToken cancellation = default) =>
        Write(_source.Chat.Render(messages, options.MaxTokens), options, cancellation);

    /// <summary>Goes on from a text, as often as the options say; see <see cref="Generator.GenerateChoices"/>.</summary>
    public IEnumerable<ReplyStream> WriteChoices(string prompt, GenerationOptions options, CancellationToken cancellation = default) =>
        Choices([Tokenizer.Special.BeginOfText, .. Tokenizer.Encode(prompt)], options, cancellation);

    /// <summary>Answers a conversation, as often as the options say.</summary>
    public IEnumerable<ReplyStream> ReplyChoices(IReadOnlyList<ChatMessage> messages, GenerationOptions options, CancellationToken cancellation = default) =>
        Choices(_source.Chat.Render(messages, options.MaxTokens), options, cancellation);

    /// <inheritdoc/>
    public void Dispose()
    {
        _generator.Dispose();
        _decoder.Dispose();
    }

    private ReplyStream Write(int[] prompt, GenerationOptions options, CancellationToken cancellation) =>
        _generator.Generate(prompt, Ended(options), 0, cancellation);

    private IEnumerable<ReplyStream> Choices(int[] prompt, GenerationOptions options, CancellationToken cancellation) =>
        _generator.GenerateChoices(prompt, Ended(options), 0, cancellation);

    private GenerationOptions Ended(GenerationOptions options) => options with { StopTokens = [.. options.StopTokens, Tokenizer.Special.EndOfText] };
}
