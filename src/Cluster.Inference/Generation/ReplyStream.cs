using System.Collections;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Inference.Sampling;

namespace Cluster.Inference.Generation;

/// <summary>A reply under way.</summary>
public sealed class ReplyStream : IEnumerable<GeneratedToken>
{
    private readonly IDecodeBackend _backend;
    private readonly GenerationState _state;
    private readonly Sampler _sampler;
    private readonly CancellationToken _cancellation;

    internal ReplyStream(IDecodeBackend backend, GenerationState state, Sampler sampler, CancellationToken cancellation) =>
        (_backend, _state, _sampler, _cancellation) = (backend, state, sampler, cancellation);

    /// <summary>The reply's tokens so far, a stop token included. Valid until the next step.</summary>
    public ReadOnlySpan<int> Ids => _state.Reply;

    /// <summary>Why the reply ended; null while it goes on.</summary>
    public FinishReason? Finish => _state.Finish;

    /// <inheritdoc/>
    public IEnumerator<GeneratedToken> GetEnumerator()
    {
        if (_state.Finish is not null || !_state.Reply.IsEmpty)
            throw new InvalidOperationException("a reply can be enumerated once");
        using var sequence = _backend.CreateSequence();
        while (_state.Finish is null)
        {
            if (Cancelled(sequence))
                yield break;
            yield return _state.Advance(Logits(sequence), _sampler);
        }
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    /// <summary>Feeds what of the prompt is missing, chunk by chunk so that a cancellation need not wait for all of it.</summary>
    private bool Cancelled(DecodeSequence sequence)
    {
        while (!_cancellation.IsCancellationRequested)
        {
            var rest = _state.Ids[sequence.Length..];
            var chunk = _backend.PrefillChunk - sequence.Length % _backend.PrefillChunk;
            if (rest.Length <= chunk)
                return false;
            _backend.Prefill(sequence, rest[..chunk], LogitRows.None);
        }

        _state.Cancel();
        return true;
    }

    /// <summary>The logits after the last token.</summary>
    private ReadOnlySpan<float> Logits(DecodeSequence sequence)
    {
        var rest = _state.Ids[sequence.Length..];
        return _state.Reply.IsEmpty ? _backend.Prefill(sequence, rest) : _backend.Decode(sequence, rest[0]);
    }
}
