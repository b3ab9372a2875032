using System.Collections;
using Cluster.Inference.Backends;
using Cluster.Inference.Sampling;

namespace Cluster.Inference.Generation;

/// <summary>A reply under way.</summary>
public sealed class ReplyStream : IEnumerable<GeneratedToken>
{
    private readonly IDecodeBackend _backend;
    private readonly GenerationState _state;
    private readonly Sampler _sampler;
    private readonly CancellationToken _cancellation;
    private readonly PromptState? _prompt;

    internal ReplyStream(IDecodeBackend backend, GenerationState state, Sampler sampler, CancellationToken cancellation, PromptState? prompt = null) =>
        (_backend, _state, _sampler, _cancellation, _prompt) = (backend, state, sampler, cancellation, prompt);

    /// <summary>The reply's tokens so far, a stop token included. Valid until the next step.</summary>
    public ReadOnlySpan<int> Ids => _state.Reply;

    /// <summary>Why the reply ended; null while it goes on.</summary>
    public FinishReason? Finish => _state.Finish;

    /// <inheritdoc/>
    public IEnumerator<GeneratedToken> GetEnumerator()
    {
        if (_state.Finish is not null || !_state.Reply.IsEmpty)
            throw new InvalidOperationException("a reply can be enumerated once");
        using var own = _prompt is null ? new PromptState(_backend) : null;
        while (_state.Finish is null)
        {
            if (Step(_prompt ?? own!) is not { } token)
                yield break;
            yield return token;
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>The next token; null if it was called off.</summary>
    private GeneratedToken? Step(PromptState prompt)
    {
        ReadOnlySpan<float> logits = default;
        var goesOn = _state.Reply.IsEmpty
            ? prompt.Begin(_state.Ids, keep: _prompt is not null, _cancellation, out logits)
            : !_cancellation.IsCancellationRequested;
        if (goesOn)
            return _state.Advance(_state.Reply.IsEmpty ? logits : prompt.Next(_state.Ids[^1]), _sampler);
        _state.Cancel();
        return null;
    }
}
