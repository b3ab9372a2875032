// Prompts by training's products, replies by a managed decoder, over one cache. Enters: token ids. Leaves: logits, hidden states.
// Does not know: tokenization, sampling, requests, how the decoder stores anything.
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Model.Kernels;
using Cluster.Model.Runtime;
using TorchSharp;

namespace Cluster.Model.Decode;

/// <summary>
/// A backend of two halves: whole chunks of a prompt are computed with oneDNN's bf16 products (through Torch) or training's fp32 kernel; the
/// rest of a prompt that fills no chunk, and replies, are the host's, whose row kernels need no padding. The two round differently, so
/// <see cref="IDecodeBackend.PrefillEqualsDecode"/> is false, and which tokens of a prompt are of which kind follows from its length.
/// It keeps the blocks' matrices a second time; embedding and head are the host's.
/// </summary>
public sealed class TorchPrefillDecoder : IDecodeBackend
{
    /// <summary>Rows of a product: the more, the closer to the processor's peak, and the fewer prompts hold a whole chunk.</summary>
    public const int DefaultChunk = 128;

    private readonly IPrefillHost _host;
    private readonly ChunkPrefill<Bf16>? _bf16;
    private readonly ChunkPrefill<Fp32>? _fp32;
    private readonly int _threads;
    private int _thread;
    private float[] _rows = [];
    private bool _disposed;

    /// <param name="host">The decoder, whose prefill is its decode; this one's from now on, to be disposed of with it.</param>
    /// <param name="layout">The model's shape and where its parameters lie.</param>
    /// <param name="parameters">The flat vector, of the layout's total length; copied.</param>
    /// <param name="precision">Of the products' operands: <see cref="Precision.Bf16"/> or <see cref="Precision.Fp32"/>.</param>
    /// <param name="threads">Threads of a product. It decides the bits.</param>
    /// <param name="chunk">Rows of a product, at least 16. It decides the bits.</param>
    /// <exception cref="Core.Errors.UserErrorException">The native tensor library does not load.</exception>
    public TorchPrefillDecoder(IPrefillHost host, ParameterLayout layout, ReadOnlySpan<float> parameters, Precision precision, int threads = 1,
        int chunk = DefaultChunk)
    {
        if (parameters.Length != layout.TotalCount)
            throw new ArgumentException($"{parameters.Length} parameters, but the layout has {layout.TotalCount}", nameof(parameters));
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(chunk, 16);
        if (!host.PrefillEqualsDecode)
            throw new ArgumentException("the host computes prompts otherwise than replies", nameof(host));
        TorchRuntime.EnsureLoaded();
        (_host, _threads, PrefillChunk) = (host, threads, chunk);
        switch (precision)
        {
            case Precision.Bf16:
                _bf16 = new ChunkPrefill<Bf16>(layout, parameters, chunk, threads);
                break;
            case Precision.Fp32:
                _fp32 = new ChunkPrefill<Fp32>(layout, parameters, chunk, threads);
                break;
            default:
                throw new ArgumentException("a precision is resolved before a decoder is made", nameof(precision));
        }
    }

    /// <inheritdoc/>
    public ModelShape Shape => _host.Shape;

    /// <inheritdoc/>
    public int PrefillChunk { get; }

    /// <inheritdoc/>
    public KvBlockPool Cache => _host.Cache;

    /// <inheritdoc/>
    public int PrefilledTokens(int prompt) => prompt / PrefillChunk * PrefillChunk;

    /// <inheritdoc/>
    public DecodeSequence CreateSequence() => _host.CreateSequence();

    /// <inheritdoc/>
    public ReadOnlySpan<float> Prefill(DecodeSequence sequence, scoped ReadOnlySpan<int> ids, LogitRows logits = LogitRows.Last)
    {
        Check(sequence, ids);
        if (logits == LogitRows.All)
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThan(ids.Length, PrefillChunk, nameof(ids));
            return _host.Logits(Hidden(sequence, ids));
        }

        // All or none of it.
        sequence.Reserve(ids.Length);
        ReadOnlySpan<float> last = default;
        while (!ids.IsEmpty)
        {
            if (IsChunk(sequence, ids))
            {
                last = Chunk(sequence, ids[..PrefillChunk])[^Shape.Width..];
                ids = ids[PrefillChunk..];
                continue;
            }

            var rows = Math.Min(ids.Length, PrefillChunk - sequence.Length % PrefillChunk);
            if (rows == ids.Length)
                return _host.Prefill(sequence, ids, logits);
            _host.Prefill(sequence, ids[..rows], LogitRows.None);
            ids = ids[rows..];
        }

        return logits == LogitRows.Last ? _host.Logits(last) : default;
    }

    /// <inheritdoc/>
    public ReadOnlySpan<float> Hidden(DecodeSequence sequence, scoped ReadOnlySpan<int> ids)
    {
        Check(sequence, ids);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ids.Length, PrefillChunk, nameof(ids));
        sequence.Reserve(ids.Length);
        if (IsChunk(sequence, ids))
            return Chunk(sequence, ids);
        var width = Shape.Width;
        if (_rows.Length < ids.Length * width)
            _rows = new float[PrefillChunk * width];
        for (var done = 0; done < ids.Length; done += _host.PrefillChunk)
            _host.Hidden(sequence, ids.Slice(done, Math.Min(_host.PrefillChunk, ids.Length - done))).CopyTo(_rows.AsSpan(done * width));
        return _rows.AsSpan(0, ids.Length * width);
    }

    /// <inheritdoc/>
    public ReadOnlySpan<float> Decode(scoped ReadOnlySpan<DecodeSequence> sequences, scoped ReadOnlySpan<int> ids) => _host.Decode(sequences, ids);

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        _bf16?.Dispose();
        _fp32?.Dispose();
        _host.Dispose();
    }

    private bool IsChunk(DecodeSequence sequence, ReadOnlySpan<int> ids) => sequence.Length % PrefillChunk == 0 && ids.Length >= PrefillChunk;

    private ReadOnlySpan<float> Chunk(DecodeSequence sequence, scoped ReadOnlySpan<int> ids)
    {
        // Both settings are a thread's own, and an engine's thread is not the one that made this.
        if (_thread != Environment.CurrentManagedThreadId)
        {
            TorchRuntime.SetThreads(_threads);
            torch.set_grad_enabled(false);
            _thread = Environment.CurrentManagedThreadId;
        }

        var hidden = _bf16 is not null ? _bf16.Run(_host, sequence, ids) : _fp32!.Run(_host, sequence, ids);
        sequence.Advance(PrefillChunk);
        return hidden;
    }

    private void Check(DecodeSequence sequence, ReadOnlySpan<int> ids)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        this.CheckOwned(sequence);
        this.CheckIds(ids);
    }
}
