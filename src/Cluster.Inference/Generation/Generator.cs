// One request at a time over a backend. Enters: prompt ids and options. Leaves: tokens as they are drawn.
// Does not know: tokenizers (but for the bytes of ids), weights, other requests.
using System.Text;
using Cluster.Core.Errors;
using Cluster.Inference.Backends;
using Cluster.Inference.Sampling;

namespace Cluster.Inference.Generation;

/// <summary>Generates replies, one at a time, on the caller's thread. The backend stays the caller's to dispose of.</summary>
public sealed class Generator : IDisposable
{
    private readonly IDecodeBackend _backend;
    private readonly ITokenText _tokens;
    private readonly Sampler _sampler;

    /// <param name="backend">The model.</param>
    /// <param name="tokens">The bytes of its ids.</param>
    /// <exception cref="UserErrorException">The tokenizer has more ids than the model.</exception>
    public Generator(IDecodeBackend backend, ITokenText tokens)
    {
        if (tokens.Count < 1 || tokens.Count > backend.Shape.Vocabulary)
            throw new UserErrorException($"The tokenizer has {tokens.Count} ids, the model's vocabulary {backend.Shape.Vocabulary}.",
                "Use the tokenizer that the model was trained with.");
        (_backend, _tokens, _sampler) = (backend, tokens, new Sampler(tokens.Count));
    }

    /// <summary>Starts a reply; each step of the enumeration computes one token. It can be enumerated once.</summary>
    /// <param name="prompt">Ids, at least one, fewer than the model's context.</param>
    /// <param name="options">How tokens are drawn and when the reply ends.</param>
    /// <param name="request">Which stream of random numbers: other numbers give other replies of the same seed.</param>
    /// <param name="cancellation">Ends the reply before the next token.</param>
    /// <exception cref="UserErrorException">Prompt or options are not as they must be, or ask for several replies.</exception>
    public ReplyStream Generate(ReadOnlySpan<int> prompt, GenerationOptions options, ulong request = 0, CancellationToken cancellation = default)
    {
        if (options.Choices != 1)
            throw new UserErrorException($"n is {options.Choices} where one reply is written.", "Give 1.");
        return new ReplyStream(_backend, new GenerationState(prompt, options, _tokens, _backend.Shape.MaxContext, request), _sampler, cancellation);
    }

    /// <summary>
    /// As many replies as the options ask for, one after the other: each is to be enumerated before the next is asked for. The prompt is
    /// computed once. Reply i is the one that <see cref="GenerationOptions.OfChoice"/> gives alone.
    /// </summary>
    /// <param name="prompt">As for <see cref="Generate"/>.</param>
    /// <param name="options">As for <see cref="Generate"/>.</param>
    /// <param name="request">As for <see cref="Generate"/>.</param>
    /// <param name="cancellation">Ends the reply before the next token, and those that follow it.</param>
    /// <exception cref="UserErrorException">Prompt or options are not as they must be.</exception>
    public IEnumerable<ReplyStream> GenerateChoices(int[] prompt, GenerationOptions options, ulong request = 0, CancellationToken cancellation = default)
    {
        options.Validate(_tokens.Count);
        GenerationState[] states = [.. Enumerable.Range(0, options.Choices)
            .Select(i => new GenerationState(prompt, options.OfChoice(i, request), _tokens, _backend.Shape.MaxContext, request))];
        return Streams();

        IEnumerable<ReplyStream> Streams()
        {
            using var shared = new PromptState(_backend);
            foreach (var state in states)
                yield return new ReplyStream(_backend, state, _sampler, cancellation, shared);
        }
    }

    /// <summary>The whole reply at once; parameters as for <see cref="Generate"/>.</summary>
    public GeneratedReply Complete(ReadOnlySpan<int> prompt, GenerationOptions options, ulong request = 0, CancellationToken cancellation = default)
    {
        var text = new StringBuilder();
        var stream = Generate(prompt, options, request, cancellation);
        foreach (var token in stream)
            text.Append(token.Text);
        return new GeneratedReply([.. stream.Ids], text.ToString(), stream.Finish!.Value);
    }

    /// <inheritdoc/>
    public void Dispose() => _sampler.Dispose();
}
