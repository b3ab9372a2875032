using Cluster.Inference.Backends;
using Cluster.Inference.Cache;

namespace Cluster.Inference.Generation;

/// <summary>A prompt in a backend's cache, from which replies go on one after the other.</summary>
internal sealed class PromptState(IDecodeBackend backend) : IDisposable
{
    private readonly DecodeSequence _sequence = backend.CreateSequence();
    private float[]? _logits;

    /// <summary>Has the cache hold the prompt and nothing after it; false if that was called off.</summary>
    /// <param name="prompt">The same at each call.</param>
    /// <param name="keep">Whether another reply will follow.</param>
    /// <param name="cancellation">Looked at before each chunk.</param>
    /// <param name="logits">Those after its last token; valid until the next step.</param>
    public bool Begin(ReadOnlySpan<int> prompt, bool keep, CancellationToken cancellation, out ReadOnlySpan<float> logits)
    {
        logits = _logits;
        if (_logits is not null && !cancellation.IsCancellationRequested)
        {
            _sequence.Truncate(prompt.Length);
            return true;
        }

        while (!cancellation.IsCancellationRequested)
        {
            var rest = prompt[_sequence.Length..];
            var chunk = backend.PrefillChunk - _sequence.Length % backend.PrefillChunk;
            if (rest.Length > chunk)
            {
                backend.Prefill(_sequence, rest[..chunk], LogitRows.None);
                continue;
            }

            logits = backend.Prefill(_sequence, rest);
            if (keep)
                logits = _logits = logits.ToArray();
            return true;
        }

        return false;
    }

    /// <summary>The logits after one more token.</summary>
    public ReadOnlySpan<float> Next(int id) => backend.Decode(_sequence, id);

    /// <inheritdoc/>
    public void Dispose() => _sequence.Dispose();
}
