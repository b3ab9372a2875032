// The forward pass over one chunk of a prompt, with the products of training. Enters: ids, a host that embeds them and keeps keys and
// values. Leaves: keys and values in the host's cache, the residual stream. Does not know: sampling, other sequences, where a prompt ends.
// Shapes: R rows of a chunk, C width, F feed-forward, Q = (H + 2·KV) · hd.
using System.Runtime.InteropServices;
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Inference.Kernels;
using Cluster.Model.Kernels;
using TorchSharp;

namespace Cluster.Model.Decode;

/// <summary>
/// Matrix products always have as many rows as a chunk, and the token at position p is in row p mod chunk: so a row's bits depend on its own
/// sequence up to it and on nothing else.
/// </summary>
/// <typeparam name="T">How activations and the operands of products are stored.</typeparam>
internal sealed unsafe class ChunkPrefill<T> : IDisposable
    where T : unmanaged, IElement<T>
{
    private readonly ModelShape _shape;
    private readonly int _chunk, _keyValue;
    private readonly Floats _vectors;
    private readonly torch.Tensor _weights;
    private readonly Layer[] _layers;
    private readonly float* _finalGain, _finalBias;
    private readonly Matrix<T> _h, _qkv, _attended, _branch, _up, _hidden;
    private readonly Floats _x, _normed, _statistics, _keys, _values;
    private readonly AttentionKernel _attention;
    private readonly Gemm _gemm;

    /// <param name="layout">Names and places of the parameters.</param>
    /// <param name="parameters">The flat vector; copied.</param>
    /// <param name="chunk">Rows of every product.</param>
    /// <param name="threads">Threads of one fp32 product; Torch's own setting decides for bf16.</param>
    public ChunkPrefill(ParameterLayout layout, ReadOnlySpan<float> parameters, int chunk, int threads)
    {
        var shape = _shape = layout.Shape;
        _chunk = chunk;
        _gemm = new Gemm(typeof(T) == typeof(Fp32) ? threads : 1);
        int query = shape.Heads * shape.HeadSize, width = shape.Width;
        _keyValue = shape.KvHeads * shape.HeadSize;
        var up = shape.Activation == Activation.Swiglu ? 2 * shape.FeedForward : shape.FeedForward;

        // Embedding and head are the host's.
        var products = layout.Parameters.Where(p => p.IsMatrix && p.Name.StartsWith("blocks.", StringComparison.Ordinal)).ToList();
        var vectors = layout.Parameters.Where(p => !p.IsMatrix).ToList();
        _weights = Matrix<T>.Flat(products.Sum(p => p.Count));
        _vectors = new Floats(vectors.Sum(p => p.Count));
        var weights = Matrix<T>.PointerOf(_weights);
        var matrices = new Dictionary<string, Matrix<T>>(StringComparer.Ordinal);
        long offset = 0;
        foreach (var p in products)
        {
            fixed (float* from = parameters.Slice(checked((int)p.Offset), checked((int)p.Count)))
            {
                for (long i = 0; i < p.Count; i += 16)
                    T.Store(weights + offset + i, System.Runtime.Intrinsics.Vector512.Load(from + i));
            }

            matrices.Add(p.Name, Matrix<T>.View(_weights, offset, p.Rows, p.Columns));
            offset += p.Count;
        }

        var places = new Dictionary<string, nint>(StringComparer.Ordinal);
        offset = 0;
        foreach (var p in vectors)
        {
            parameters.Slice(checked((int)p.Offset), checked((int)p.Count)).CopyTo(new Span<float>(_vectors.Pointer + offset, checked((int)p.Count)));
            places.Add(p.Name, (nint)(_vectors.Pointer + offset));
            offset += p.Count;
        }

        _layers = [.. Enumerable.Range(0, shape.Layers).Select(i => new Layer
        {
            Qkv = matrices[$"blocks.{i}.attention.qkv.weight"],
            Output = matrices[$"blocks.{i}.attention.output.weight"],
            Up = matrices[$"blocks.{i}.feed_forward.up.weight"],
            Down = matrices[$"blocks.{i}.feed_forward.down.weight"],
            AttentionGain = Vector($"blocks.{i}.attention_norm.gain"),
            AttentionBias = Vector($"blocks.{i}.attention_norm.bias"),
            QkvBias = Vector($"blocks.{i}.attention.qkv.bias"),
            OutputBias = Vector($"blocks.{i}.attention.output.bias"),
            FeedForwardGain = Vector($"blocks.{i}.feed_forward_norm.gain"),
            FeedForwardBias = Vector($"blocks.{i}.feed_forward_norm.bias"),
            UpBias = Vector($"blocks.{i}.feed_forward.up.bias"),
            DownBias = Vector($"blocks.{i}.feed_forward.down.bias"),
        })];
        _finalGain = Vector("final_norm.gain");
        _finalBias = Vector("final_norm.bias");

        _h = Matrix<T>.Allocate(chunk, width);
        _qkv = Matrix<T>.Allocate(chunk, query + 2 * _keyValue);
        _attended = Matrix<T>.Allocate(chunk, query);
        _branch = Matrix<T>.Allocate(chunk, width);
        _up = Matrix<T>.Allocate(chunk, up);
        _hidden = Matrix<T>.Allocate(chunk, shape.FeedForward);
        _x = new Floats((long)chunk * width);
        _normed = new Floats((long)chunk * width);
        _statistics = new Floats(2L * chunk);
        _keys = new Floats((long)shape.MaxContext * _keyValue);
        _values = new Floats((long)shape.MaxContext * _keyValue);
        _attention = new AttentionKernel(
            shape.Heads, shape.KvHeads, shape.HeadSize, shape.MaxContext, shape.Positions == PositionEncoding.Rotary, ModelShape.PositionBase);

        float* Vector(string name) => (float*)places.GetValueOrDefault(name);
    }

    /// <summary>Computes a chunk. The sequence has room for it and does not grow by this.</summary>
    /// <param name="host">Whose cache it is.</param>
    /// <param name="sequence">It ends at a multiple of the chunk.</param>
    /// <param name="ids">As many as a chunk has rows.</param>
    /// <returns>The final norm's output, [chunk, width]; valid until the next call.</returns>
    public ReadOnlySpan<float> Run(IPrefillHost host, DecodeSequence sequence, scoped ReadOnlySpan<int> ids)
    {
        var x = new Span<float>(_x.Pointer, _chunk * _shape.Width);
        host.Embed(ids, sequence.Length, x);
        T* branch = null;
        float* branchBias = null;
        for (var i = 0; i < _layers.Length; i++)
        {
            var layer = _layers[i];
            Norm(branch, branchBias, _h.Data, layer.AttentionGain, layer.AttentionBias);
            _qkv.SetProductTransposed(_h, layer.Qkv, _gemm);
            Attend(host, sequence, i, layer);
            _branch.SetProductTransposed(_attended, layer.Output, _gemm);
            Norm(_branch.Data, layer.OutputBias, _h.Data, layer.FeedForwardGain, layer.FeedForwardBias);
            _up.SetProductTransposed(_h, layer.Up, _gemm);
            if (_shape.Activation == Activation.Swiglu)
                RowKernels.Swiglu(_up.Data, layer.UpBias, _hidden.Data, _chunk, _shape.FeedForward);
            else
                RowKernels.Gelu(_up.Data, layer.UpBias, _hidden.Data, _chunk, _shape.FeedForward);
            _branch.SetProductTransposed(_hidden, layer.Down, _gemm);
            branch = _branch.Data;
            branchBias = layer.DownBias;
        }

        // Into both kinds of element: the head takes fp32.
        Norm(branch, branchBias, _h.Data, _finalGain, _finalBias);
        RowKernels.AddNorm<Fp32>(_x.Pointer, null, null, _x.Pointer, (Fp32*)_normed.Pointer, _statistics.Pointer, _statistics.Pointer + _chunk,
            _finalGain, _finalBias, _chunk, _shape.Width, _shape.Norm);
        return new ReadOnlySpan<float>(_normed.Pointer, _chunk * _shape.Width);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var layer in _layers)
        {
            layer.Qkv.Dispose();
            layer.Output.Dispose();
            layer.Up.Dispose();
            layer.Down.Dispose();
        }

        foreach (var matrix in (Matrix<T>[])[_h, _qkv, _attended, _branch, _up, _hidden])
            matrix.Dispose();
        foreach (var vector in (Floats[])[_vectors, _x, _normed, _statistics, _keys, _values])
            vector.Dispose();
        _weights.Dispose();
        _attention.Dispose();
    }

    private void Attend(IPrefillHost host, DecodeSequence sequence, int index, Layer layer)
    {
        int start = sequence.Length, end = start + _chunk;
        float* keys = _keys.Pointer + (long)start * _keyValue, values = _values.Pointer + (long)start * _keyValue;
        _attention.KeysAndValues(_qkv.Data, layer.QkvBias, start, _chunk, keys, values);
        host.WriteKeysAndValues(sequence, index, start, new(keys, _chunk * _keyValue), new(values, _chunk * _keyValue));
        // All of them as the cache has them, the chunk's own included: what decode will see, however the cache rounds.
        host.ReadKeysAndValues(sequence, index, new(_keys.Pointer, end * _keyValue), new(_values.Pointer, end * _keyValue));
        _attention.Continue(_qkv.Data, layer.QkvBias, _keys.Pointer, _values.Pointer, start, _chunk, _attended.Data);
    }

    /// <summary>Adds the branch, if there is one, to the stream and normalises it.</summary>
    private void Norm(T* branch, float* branchBias, T* output, float* gain, float* bias) =>
        RowKernels.AddNorm<T>(_x.Pointer, branch, branchBias, _x.Pointer, output, _statistics.Pointer, _statistics.Pointer + _chunk,
            gain, bias, _chunk, _shape.Width, _shape.Norm);

    /// <summary>One block's weights; a bias is null where the shape has none.</summary>
    private sealed class Layer
    {
        public required Matrix<T> Qkv { get; init; }

        public required Matrix<T> Output { get; init; }

        public required Matrix<T> Up { get; init; }

        public required Matrix<T> Down { get; init; }

        public required float* AttentionGain { get; init; }

        public required float* AttentionBias { get; init; }

        public required float* QkvBias { get; init; }

        public required float* OutputBias { get; init; }

        public required float* FeedForwardGain { get; init; }

        public required float* FeedForwardBias { get; init; }

        public required float* UpBias { get; init; }

        public required float* DownBias { get; init; }
    }

    /// <summary>Zeroed floats on a 64-byte bound.</summary>
    private sealed class Floats : IDisposable
    {
        public Floats(long count)
        {
            var bytes = (nuint)Math.Max(1, count) * sizeof(float);
            Pointer = (float*)NativeMemory.AlignedAlloc(bytes, 64);
            NativeMemory.Clear(Pointer, bytes);
        }

        public float* Pointer { get; }

        public void Dispose() => NativeMemory.AlignedFree(Pointer);
    }
}
