// The transformer's forward and backward pass for one micro-batch on the CPU, written out (no autograd): matrix products by
// oneDNN (bf16) or the managed kernel (fp32), everything between them in fused managed kernels over buffers that are made once.
// Enters: token ids, targets, mask; the flat fp32 parameters. Leaves: losses per token; gradients added to a flat fp32 vector.
// Does not know: lanes, steps, optimizer, schedules, files.
// Shapes: R rows = micro-batch · context, C width, F feed-forward, Q = (H + 2·KV) · hd, V vocabulary, N rows of a logit chunk.
using System.Diagnostics;
using System.Runtime.InteropServices;
using Cluster.Core.Models;
using Cluster.Inference.Kernels;
using Cluster.Model.Kernels;
using TorchSharp;

namespace Cluster.Model.Gpt;

/// <summary>One replica's model at a fixed number of rows per micro-batch.</summary>
/// <typeparam name="T">How activations and the operands of products are stored.</typeparam>
internal sealed unsafe class FusedGpt<T> : IDisposable
    where T : unmanaged, IElement<T>
{
    private readonly ModelShape _shape;
    private readonly ParameterLayout _layout;
    private readonly int _rows, _width, _chunk;
    private readonly float* _parameters;
    private readonly T* _cast;
    private readonly torch.Tensor _castTensor;
    private readonly Layer[] _layers;
    private readonly Activations[] _activations;
    private readonly bool _again;
    private readonly Matrix<T> _embedding, _head, _final, _dFinal, _logits, _dWide, _dQkv, _dNarrow, _dBranch, _dx, _attended;
    private readonly Matrix<T>[] _finalChunks, _dFinalChunks;
    private readonly ProductScratch<T> _scratch = new();
    private readonly (long Start, long Count)[] _summed;
    private readonly float* _x, _dResidual, _means, _reciprocals, _positions;
    private readonly List<nint> _native = [];
    private readonly AttentionKernel _attention;
    private readonly Gemm _gemm;

    /// <param name="layout">Names and places of the parameters.</param>
    /// <param name="rows">Tokens of one micro-batch.</param>
    /// <param name="chunk">Rows of logits at a time, a divisor of <paramref name="rows"/>.</param>
    /// <param name="parameters">The flat fp32 parameters, alive as long as this.</param>
    /// <param name="threads">Threads of one fp32 product; Torch's own setting decides for bf16.</param>
    /// <param name="checkpointing">What of a block is kept for its backward pass; the rest is computed again there, to the same bits.</param>
    public FusedGpt(ParameterLayout layout, int rows, int chunk, float* parameters, int threads, ActivationCheckpointing checkpointing)
    {
        _layout = layout;
        _shape = layout.Shape;
        (_rows, _width, _chunk) = (rows, _shape.Width, chunk);
        _parameters = parameters;
        _gemm = new Gemm(typeof(T) == typeof(Fp32) ? threads : 1);
        _again = checkpointing == ActivationCheckpointing.Block;
        // A copy for fp32 too, where products could read the parameters in place: one path for both element types.
        _castTensor = Matrix<T>.Flat(layout.TotalCount);
        _cast = Matrix<T>.PointerOf(_castTensor);

        int query = _shape.Heads * _shape.HeadSize, qkv = query + 2 * _shape.KvHeads * _shape.HeadSize;
        var up = _shape.Activation == Activation.Swiglu ? 2 * _shape.FeedForward : _shape.FeedForward;
        _embedding = Weight("token_embedding.weight");
        _head = _shape.TiedHead ? _embedding : Weight("head.weight");
        _activations = new Activations[_again ? 1 : _shape.Layers];
        for (var i = 0; i < _activations.Length; i++)
        {
            _activations[i] = new Activations(
                Room(rows, _width), Room(rows, qkv), Room(rows, query), Room(rows, _width), Room(rows, up), Room(rows, _shape.FeedForward),
                RoomFloats((long)rows * _shape.Heads));
        }

        _layers = new Layer[_shape.Layers];
        for (var i = 0; i < _layers.Length; i++)
        {
            _layers[i] = new Layer(
                Weight($"blocks.{i}.attention.qkv.weight"), Weight($"blocks.{i}.attention.output.weight"),
                Weight($"blocks.{i}.feed_forward.up.weight"), Weight($"blocks.{i}.feed_forward.down.weight"), _activations[_again ? 0 : i]);
        }

        _summed = SummedRanges();
        _attended = Room(rows, query);
        _final = Room(rows, _width);
        _dFinal = Room(rows, _width);
        _logits = Room(chunk, _shape.Vocabulary);
        _dWide = Room(rows, _shape.FeedForward);
        _dQkv = Room(rows, qkv);
        _dNarrow = Room(rows, _width);
        _dBranch = Room(rows, _width);
        _dx = Room(rows, _width);
        _finalChunks = [.. Enumerable.Range(0, rows / chunk).Select(i => _final.RowsView(i * chunk, chunk))];
        _dFinalChunks = [.. Enumerable.Range(0, rows / chunk).Select(i => _dFinal.RowsView(i * chunk, chunk))];

        // The residual stream before every norm, 2 · layers + 1 of them, stays in fp32 for the backward pass; those inside the blocks
        // share one place where they are computed again.
        var norms = 2 * _shape.Layers + 1;
        _x = RoomFloats((_again ? _shape.Layers + 2L : norms) * rows * _width);
        _means = RoomFloats((long)norms * rows);
        _reciprocals = RoomFloats((long)norms * rows);
        _dResidual = RoomFloats((long)rows * _width);
        if (_shape.Positions == PositionEncoding.Sinusoidal)
        {
            _positions = Floats((long)_shape.MaxContext * _width);
            SinusoidalPositions.Fill(new Span<float>(_positions, checked(_shape.MaxContext * _width)), _width);
        }
        else if (_shape.Positions == PositionEncoding.Learned)
        {
            _positions = Parameter("position_embedding.weight");
        }

        _attention = new AttentionKernel(
            _shape.Heads, _shape.KvHeads, _shape.HeadSize, Math.Min(_shape.MaxContext, rows), _shape.Positions == PositionEncoding.Rotary, ModelShape.PositionBase);
    }

    /// <summary>Time in matrix products since the start, in stopwatch ticks; for the share of peak in reports.</summary>
    public long ProductTicks { get; private set; }

    /// <summary>
    /// Bytes of native memory for the activations of a micro-batch and their gradients, the chunk of logits included; what does not grow with the
    /// micro-batch (weights, tables, a few megabytes of scratch) is left out.
    /// </summary>
    public long ActivationBytes { get; private set; }

    /// <summary>
    /// Where products read the weights: the parameters rounded to the element type. The optimizer's pass keeps it up to date;
    /// <see cref="RoundParameters"/> writes all of it.
    /// </summary>
    public T* Cast => _cast;

    /// <summary>Rounds all parameters for the products.</summary>
    public void RoundParameters() => RoundParameters(0, _layout.TotalCount);

    /// <summary>Rounds some parameters for the products.</summary>
    public void RoundParameters(long start, long count)
    {
        for (var i = start; i < start + count; i += 16)
            T.Store(_cast + i, System.Runtime.Intrinsics.Vector512.Load(_parameters + i));
    }

    /// <summary>
    /// Runs one micro-batch. With a gradient, writes scale · d(Σ masked token losses)/d(parameters) to it or adds it.
    /// </summary>
    /// <param name="tokens">R ids, sequence after sequence.</param>
    /// <param name="targets">R ids: the token that follows each.</param>
    /// <param name="mask">R bytes: 0 leaves the token's loss out.</param>
    /// <param name="context">Tokens of one sequence; divides R.</param>
    /// <param name="scale">1 / (unmasked tokens of the whole step).</param>
    /// <param name="losses">R negative log-likelihoods in nats, 0 where masked.</param>
    /// <param name="gradient">The flat gradient, or null for evaluation.</param>
    /// <param name="add">Whether the gradient holds something to add to; what it holds is overwritten otherwise.</param>
    public void Run(ReadOnlySpan<int> tokens, ReadOnlySpan<int> targets, ReadOnlySpan<byte> mask, int context, float scale, Span<float> losses, float* gradient, bool add)
    {
        Forward(tokens, context);
        if (gradient != null && !add)
        {
            foreach (var (start, count) in _summed)
                new Span<float>(gradient + start, checked((int)count)).Clear();
        }

        for (var i = 0; i < _finalChunks.Length; i++)
        {
            var start = i * _chunk;
            Product(_logits, _finalChunks[i], _head, ProductKind.Transposed);
            CrossEntropyKernel.Run(_logits.Data, targets.Slice(start, _chunk), mask.Slice(start, _chunk), losses.Slice(start, _chunk),
                _shape.Vocabulary, scale, gradient != null);
            if (gradient == null)
                continue;
            Product(_dFinalChunks[i], _logits, _head, ProductKind.Plain);
            WeightGradient(_logits, _finalChunks[i], _shape.TiedHead ? "token_embedding.weight" : "head.weight", gradient, add || i > 0);
        }

        if (gradient != null)
            Backward(tokens, context, gradient, add);
    }

    /// <summary>Runs one micro-batch and copies the logits of all R rows, in fp32.</summary>
    public void Logits(ReadOnlySpan<int> tokens, int context, Span<float> logits_RV)
    {
        Forward(tokens, context);
        for (var i = 0; i < _finalChunks.Length; i++)
        {
            Product(_logits, _finalChunks[i], _head, ProductKind.Transposed);
            var count = (long)_chunk * _shape.Vocabulary;
            fixed (float* to = logits_RV)
            {
                for (long c = 0; c < count; c += 16)
                    System.Runtime.Intrinsics.Vector512.Store(T.Load(_logits.Data + c), to + i * count + c);
            }
        }
    }

    private void Forward(ReadOnlySpan<int> tokens, int context)
    {
        if (tokens.Length != _rows || _rows % context != 0)
            throw new ArgumentException($"{tokens.Length} tokens in sequences of {context} do not make {_rows} rows");
        RowKernels.Embed(_x, tokens, Parameter("token_embedding.weight"), _positions, context, _width, _shape.EmbeddingScale);
        for (var i = 0; i < _layers.Length; i++)
        {
            Block(i, i > 0, context);
            Product(_dBranch, _layers[i].Kept.Hidden, _layers[i].DownWeight, ProductKind.Transposed);
        }

        Norm(2 * _layers.Length, _dBranch, DownBias(_layers.Length - 1), _final, "final_norm");
    }

    /// <summary>
    /// A block up to its feed-forward's hidden values: all that its backward pass reads. In the backward pass it runs again on the block's input as
    /// it was kept: the same operations on the same numbers.
    /// </summary>
    /// <param name="i">Which.</param>
    /// <param name="branch">Whether the block before has left its branch to be added; its input is there otherwise.</param>
    /// <param name="context">Tokens of one sequence.</param>
    private void Block(int i, bool branch, int context)
    {
        var (layer, kept) = (_layers[i], _layers[i].Kept);
        Norm(2 * i, branch ? _dBranch : null, branch ? DownBias(i - 1) : null, kept.AttentionInput, $"blocks.{i}.attention_norm");
        Product(kept.Qkv, kept.AttentionInput, layer.QkvWeight, ProductKind.Transposed);
        var qkvBias = Bias($"blocks.{i}.attention.qkv.bias");
        for (var s = 0; s < _rows / context; s++)
        {
            _attention.Forward(kept.Qkv.Data + (long)s * context * kept.Qkv.Columns, qkvBias,
                kept.Attended.Data + (long)s * context * kept.Attended.Columns, kept.LogSumExp + (long)s * context * _shape.Heads, context);
        }

        Product(_dBranch, kept.Attended, layer.OutputWeight, ProductKind.Transposed);
        Norm(2 * i + 1, _dBranch, Bias($"blocks.{i}.attention.output.bias"), kept.FeedForwardInput, $"blocks.{i}.feed_forward_norm");
        Product(kept.Up, kept.FeedForwardInput, layer.UpWeight, ProductKind.Transposed);
        var upBias = Bias($"blocks.{i}.feed_forward.up.bias");
        if (_shape.Activation == Activation.Swiglu)
            RowKernels.Swiglu(kept.Up.Data, upBias, kept.Hidden.Data, _rows, _shape.FeedForward);
        else
            RowKernels.Gelu(kept.Up.Data, upBias, kept.Hidden.Data, _rows, _shape.FeedForward);
    }

    private float* DownBias(int block) => Bias($"blocks.{block}.feed_forward.down.bias");

    /// <summary>The residual stream before norm k: block inputs one after another, then the one inside a block, where only inputs are kept.</summary>
    private float* Stream(int k) => _x + (long)(!_again ? k : k % 2 == 0 ? k / 2 : _layers.Length + 1) * _rows * _width;

    /// <summary>Adds the branch to stream k − 1, giving stream k, and normalises it; without a branch stream k is there.</summary>
    private void Norm(int k, Matrix<T>? branch, float* branchBias, Matrix<T> output, string name)
    {
        RowKernels.AddNorm(Stream(branch is null ? k : k - 1), branch is null ? null : branch.Data, branchBias, Stream(k), output.Data, _means + (long)k * _rows,
            _reciprocals + (long)k * _rows, Parameter(name + ".gain"), Bias(name + ".bias"), _rows, _width, _shape.Norm);
    }

    private void Backward(ReadOnlySpan<int> tokens, int context, float* gradient, bool add)
    {
        NormBackward(2 * _layers.Length, _dFinal, "final_norm", gradient, accumulate: false);
        for (var i = _layers.Length - 1; i >= 0; i--)
        {
            // The last block's values are still there.
            if (_again && i < _layers.Length - 1)
                Block(i, branch: false, context);
            var (layer, kept) = (_layers[i], _layers[i].Kept);
            BiasBackward(_dx, $"blocks.{i}.feed_forward.down.bias", gradient);
            Product(_dWide, _dx, layer.DownWeight, ProductKind.Plain);
            WeightGradient(_dx, kept.Hidden, $"blocks.{i}.feed_forward.down.weight", gradient, add);
            var upBias = Bias($"blocks.{i}.feed_forward.up.bias");
            if (_shape.Activation == Activation.Swiglu)
                RowKernels.SwigluBackward(kept.Up.Data, upBias, _dWide.Data, _rows, _shape.FeedForward);
            else
                RowKernels.GeluBackward(kept.Up.Data, upBias, _dWide.Data, _rows, _shape.FeedForward);
            BiasBackward(kept.Up, $"blocks.{i}.feed_forward.up.bias", gradient);
            Product(_dNarrow, kept.Up, layer.UpWeight, ProductKind.Plain);
            WeightGradient(kept.Up, kept.FeedForwardInput, $"blocks.{i}.feed_forward.up.weight", gradient, add);
            NormBackward(2 * i + 1, _dNarrow, $"blocks.{i}.feed_forward_norm", gradient, accumulate: true);

            BiasBackward(_dx, $"blocks.{i}.attention.output.bias", gradient);
            Product(_attended, _dx, layer.OutputWeight, ProductKind.Plain);
            WeightGradient(_dx, kept.Attended, $"blocks.{i}.attention.output.weight", gradient, add);
            var qkvBias = Bias($"blocks.{i}.attention.qkv.bias");
            for (var s = 0; s < _rows / context; s++)
            {
                long first = (long)s * context;
                _attention.Backward(kept.Qkv.Data + first * kept.Qkv.Columns, qkvBias, kept.Attended.Data + first * kept.Attended.Columns,
                    _attended.Data + first * _attended.Columns, kept.LogSumExp + first * _shape.Heads, _dQkv.Data + first * _dQkv.Columns, context);
            }

            BiasBackward(_dQkv, $"blocks.{i}.attention.qkv.bias", gradient);
            Product(_dNarrow, _dQkv, layer.QkvWeight, ProductKind.Plain);
            WeightGradient(_dQkv, kept.AttentionInput, $"blocks.{i}.attention.qkv.weight", gradient, add);
            NormBackward(2 * i, _dNarrow, $"blocks.{i}.attention_norm", gradient, accumulate: true);
        }

        RowKernels.EmbedBackward(_dResidual, tokens, gradient + _layout["token_embedding.weight"].Offset, _width, _shape.EmbeddingScale);
        if (_shape.Positions == PositionEncoding.Learned)
            RowKernels.PositionsBackward(_dResidual, _rows, gradient + _layout["position_embedding.weight"].Offset, context, _width);
    }

    private void NormBackward(int k, Matrix<T> dOutput, string name, float* gradient, bool accumulate)
    {
        var bias = _layout.Find(name + ".bias");
        RowKernels.NormBackward(dOutput.Data, Stream(k), _means + (long)k * _rows, _reciprocals + (long)k * _rows,
            Parameter(name + ".gain"), _dResidual, _dx.Data, accumulate, gradient + _layout[name + ".gain"].Offset,
            bias is null ? null : gradient + bias.Offset, _rows, _width, _shape.Norm);
    }

    private void BiasBackward(Matrix<T> dOutput, string name, float* gradient)
    {
        if (_layout.Find(name) is { } bias)
            RowKernels.BiasBackward(dOutput.Data, gradient + bias.Offset, _rows, dOutput.Columns);
    }

    private void WeightGradient(Matrix<T> dOutput, Matrix<T> input, string name, float* gradient, bool add)
    {
        var start = Stopwatch.GetTimestamp();
        Matrix<T>.TransposedProduct(gradient + _layout[name].Offset, dOutput, input, _gemm, _scratch, add);
        ProductTicks += Stopwatch.GetTimestamp() - start;
    }

    private void Product(Matrix<T> result, Matrix<T> left, Matrix<T> right, ProductKind kind)
    {
        var start = Stopwatch.GetTimestamp();
        if (kind == ProductKind.Transposed)
            result.SetProductTransposed(left, right, _gemm);
        else
            result.SetProduct(left, right, _gemm);
        ProductTicks += Stopwatch.GetTimestamp() - start;
    }

    private float* Parameter(string name) => _parameters + _layout[name].Offset;

    private float* Bias(string name) => _layout.Find(name) is { } bias ? _parameters + bias.Offset : null;

    /// <summary>What no weight's product writes whole: tables that tokens add rows to, gains and biases, padding.</summary>
    private (long Start, long Count)[] SummedRanges()
    {
        var ranges = new List<(long, long)>();
        long start = 0;
        foreach (var parameter in _layout.Parameters.Where(p => p.IsMatrix && p.Name != "position_embedding.weight" && (_shape.TiedHead || p.Name != "token_embedding.weight")))
        {
            ranges.Add((start, parameter.Offset - start));
            start = parameter.Offset + parameter.Count;
        }

        ranges.Add((start, _layout.TotalCount - start));
        return [.. ranges.Where(r => r.Item2 > 0)];
    }

    private Matrix<T> Weight(string name)
    {
        var parameter = _layout[name];
        return Matrix<T>.View(_castTensor, parameter.Offset, parameter.Rows, parameter.Columns);
    }

    private Matrix<T> Room(int rows, int columns)
    {
        ActivationBytes += (long)rows * columns * sizeof(T);
        return Matrix<T>.Allocate(rows, columns);
    }

    private float* RoomFloats(long count)
    {
        ActivationBytes += count * sizeof(float);
        return Floats(count);
    }

    private float* Floats(long count)
    {
        var pointer = NativeMemory.AlignedAlloc((nuint)count * sizeof(float), 64);
        NativeMemory.Clear(pointer, (nuint)count * sizeof(float));
        _native.Add((nint)pointer);
        return (float*)pointer;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var layer in _layers)
            layer.Dispose();
        foreach (var kept in _activations)
            kept.Dispose();
        foreach (var matrix in (Matrix<T>[])[_embedding, _final, _dFinal, _logits, _dWide, _dQkv, _dNarrow, _dBranch, _dx, _attended, .. _finalChunks, .. _dFinalChunks])
            matrix.Dispose();
        if (!_shape.TiedHead)
            _head.Dispose();
        _castTensor.Dispose();
        _attention.Dispose();
        _gemm.Dispose();
        _scratch.Dispose();
        foreach (var pointer in _native)
            NativeMemory.AlignedFree((void*)pointer);
        _native.Clear();
    }

    private enum ProductKind
    {
        Transposed,
        Plain,
    }

    private sealed class Layer(Matrix<T> qkvWeight, Matrix<T> outputWeight, Matrix<T> upWeight, Matrix<T> downWeight, Activations kept) : IDisposable
    {
        public Matrix<T> QkvWeight => qkvWeight;

        public Matrix<T> OutputWeight => outputWeight;

        public Matrix<T> UpWeight => upWeight;

        public Matrix<T> DownWeight => downWeight;

        /// <summary>Of this block, or of all in turn where they are computed again.</summary>
        public Activations Kept => kept;

        public void Dispose()
        {
            foreach (var matrix in (Matrix<T>[])[qkvWeight, outputWeight, upWeight, downWeight])
                matrix.Dispose();
        }
    }

    /// <summary>What a block's backward pass reads besides the streams before its norms.</summary>
    private sealed class Activations(
        Matrix<T> attentionInput, Matrix<T> qkv, Matrix<T> attended, Matrix<T> feedForwardInput, Matrix<T> up, Matrix<T> hidden, float* logSumExp)
        : IDisposable
    {
        public Matrix<T> AttentionInput => attentionInput;

        public Matrix<T> Qkv => qkv;

        public Matrix<T> Attended => attended;

        public Matrix<T> FeedForwardInput => feedForwardInput;

        public Matrix<T> Up => up;

        public Matrix<T> Hidden => hidden;

        /// <summary>Per sequence [heads, tokens].</summary>
        public float* LogSumExp { get; } = logSumExp;

        public void Dispose()
        {
            foreach (var matrix in (Matrix<T>[])[attentionInput, qkv, attended, feedForwardInput, up, hidden])
                matrix.Dispose();
        }
    }
}
