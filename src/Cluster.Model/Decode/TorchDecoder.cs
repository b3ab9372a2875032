// The forward pass of training once more, in Torch's own operations on whatever device Torch has. Enters: token ids. Leaves: logits.
// Does not know: tokenization, sampling, requests.
// Shapes: R rows = tokens computed together, C width, F feed-forward, V vocabulary, H heads, D head size, T tokens seen.
using Cluster.Core.Models;
using Cluster.Core.Randomness;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Model.Runtime;
using TorchSharp;
using static Cluster.Model.Runtime.TensorArithmetic;
using static TorchSharp.torch;

namespace Cluster.Model.Decode;

/// <summary>
/// A decode backend of tensors: on CUDA where Torch has it, otherwise on the CPU. Its library rounds differently for different numbers of
/// rows, so products always have the same: a chunk in prefill, with the token at position p in row p mod chunk, and a tile of
/// <see cref="DecodeRows"/> in decode. Whether a row's bits are the same in every place of a tile is measured when a decoder is made; where
/// they are not, decode takes one row at a time. Attention is computed for each sequence alone, over as many keys as its position says.
/// In bf16 logits are rounded to bf16, as the head's product gives them.
/// </summary>
public sealed class TorchDecoder : IDecodeBackend
{
    private const int BlockTokens = 16, ChunkRows = 64, TileRows = 16, DefaultSequences = 16;

    private readonly Device _device;
    private readonly ScalarType _type;
    private readonly int _threads;
    private readonly Dictionary<string, Tensor> _parameters = new(StringComparer.Ordinal);
    private readonly Tensor? _positions_TC, _cosines_TD, _sines_TD;
    private readonly Tensor[] _keys_SHD, _values_SHD;
    private int _thread;
    private float[] _out = [];
    private bool _disposed;

    /// <param name="layout">The model's shape and where its parameters lie.</param>
    /// <param name="parameters">The flat vector, of the layout's total length; copied.</param>
    /// <param name="precision">Of products, keys and values: <see cref="Precision.Bf16"/> or <see cref="Precision.Fp32"/>.</param>
    /// <param name="cacheTokens">Tokens that the cache has room for, all sequences together; 0 for 16 sequences of full length.</param>
    /// <param name="threads">Threads of an operation on the CPU. They decide the bits.</param>
    /// <exception cref="Core.Errors.UserErrorException">The native tensor library does not load.</exception>
    public TorchDecoder(ParameterLayout layout, ReadOnlySpan<float> parameters, Precision precision, int cacheTokens = 0, int threads = 1)
    {
        if (parameters.Length != layout.TotalCount)
            throw new ArgumentException($"{parameters.Length} parameters, but the layout has {layout.TotalCount}", nameof(parameters));
        ArgumentOutOfRangeException.ThrowIfNegative(cacheTokens);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        if (precision == Precision.Auto)
            throw new ArgumentException("a precision is resolved before a decoder is made", nameof(precision));
        TorchRuntime.EnsureLoaded();
        _threads = threads;
        EnterThread();
        var shape = Shape = layout.Shape;
        _device = cuda.is_available() ? CUDA : CPU;
        _type = precision == Precision.Bf16 ? ScalarType.BFloat16 : ScalarType.Float32;
        using var scope = NewDisposeScope();
        foreach (var p in layout.Parameters)
        {
            var values = parameters.Slice(checked((int)p.Offset), checked((int)p.Count)).ToArray();
            // What acts on the residual stream, which stays in fp32, and biases of products, which are added after them.
            var type = p.IsMatrix && p.Name != "position_embedding.weight" ? _type : ScalarType.Float32;
            _parameters.Add(p.Name, tensor(values, dtype: ScalarType.Float32).reshape(p.Shape).to(type).to(_device).DetachFromDisposeScope());
        }

        if (shape.Positions == PositionEncoding.Sinusoidal)
        {
            var table = new float[shape.MaxContext * shape.Width];
            SinusoidalPositions.Fill(table, shape.Width);
            _positions_TC = tensor(table, dtype: ScalarType.Float32).reshape(shape.MaxContext, shape.Width).to(_device).DetachFromDisposeScope();
        }
        else if (shape.Positions == PositionEncoding.Learned)
        {
            _positions_TC = _parameters["position_embedding.weight"].alias().DetachFromDisposeScope();
        }
        else
        {
            (_cosines_TD, _sines_TD) = Angles();
        }

        var tokens = cacheTokens == 0 ? (long)DefaultSequences * shape.MaxContext : cacheTokens;
        Cache = new KvBlockPool(checked((int)((tokens + BlockTokens - 1) / BlockTokens)), BlockTokens);
        long slots = (long)Cache.Count * BlockTokens;
        _keys_SHD = [.. Enumerable.Range(0, shape.Layers).Select(_ => Room())];
        _values_SHD = [.. Enumerable.Range(0, shape.Layers).Select(_ => Room())];
        DecodeRows = PlacesAgree() ? TileRows : 1;

        Tensor Room() => zeros([slots, shape.KvHeads, shape.HeadSize], dtype: _type, device: _device).DetachFromDisposeScope();
    }

    /// <inheritdoc/>
    public ModelShape Shape { get; }

    /// <inheritdoc/>
    public int PrefillChunk => ChunkRows;

    /// <summary>Rows of a product in decode: 16, or 1 where a row's bits depend on its place.</summary>
    public int DecodeRows { get; }

    /// <summary>Where it computes: cpu or cuda.</summary>
    public string DeviceName => _device.type == DeviceType.CUDA ? "cuda" : "cpu";

    /// <inheritdoc/>
    public KvBlockPool Cache { get; }

    /// <inheritdoc/>
    public DecodeSequence CreateSequence() => new(Cache, Shape.MaxContext);

    /// <inheritdoc/>
    public ReadOnlySpan<float> Prefill(DecodeSequence sequence, scoped ReadOnlySpan<int> ids, LogitRows logits = LogitRows.Last)
    {
        Check(sequence, ids);
        if (logits == LogitRows.All)
            ArgumentOutOfRangeException.ThrowIfGreaterThan(ids.Length, PrefillChunk, nameof(ids));
        sequence.Reserve(ids.Length);
        EnterThread();
        using var scope = NewDisposeScope();
        var wanted = logits switch { LogitRows.None => 0, LogitRows.Last => 1, _ => ids.Length };
        var total = ids.Length;
        for (var done = 0; done < total;)
        {
            var (final_RC, rows) = Chunk(sequence, ids[done..]);
            var first = Math.Max(0, total - wanted - done);
            if (first < rows)
                Copy(Logits(final_RC.narrow(0, first, rows - first)), Math.Max(0, done - (total - wanted)) * Shape.Vocabulary, wanted * Shape.Vocabulary);
            done += rows;
        }

        return _out.AsSpan(0, wanted * Shape.Vocabulary);
    }

    /// <inheritdoc/>
    public ReadOnlySpan<float> Hidden(DecodeSequence sequence, scoped ReadOnlySpan<int> ids)
    {
        Check(sequence, ids);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ids.Length, PrefillChunk, nameof(ids));
        sequence.Reserve(ids.Length);
        EnterThread();
        using var scope = NewDisposeScope();
        for (var done = 0; done < ids.Length;)
        {
            var (final_RC, rows) = Chunk(sequence, ids[done..]);
            Copy(final_RC, done * Shape.Width, ids.Length * Shape.Width);
            done += rows;
        }

        return _out.AsSpan(0, ids.Length * Shape.Width);
    }

    /// <inheritdoc/>
    public ReadOnlySpan<float> Decode(scoped ReadOnlySpan<DecodeSequence> sequences, scoped ReadOnlySpan<int> ids)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        this.ReserveStep(sequences, ids);
        EnterThread();
        for (var start = 0; start < sequences.Length; start += DecodeRows)
        {
            using var scope = NewDisposeScope();
            var part = sequences.Slice(start, Math.Min(DecodeRows, sequences.Length - start)).ToArray();
            var final_RC = Step(part, ids.Slice(start, part.Length));
            Copy(Logits(final_RC.narrow(0, 0, part.Length)), start * Shape.Vocabulary, sequences.Length * Shape.Vocabulary);
            foreach (var sequence in part)
                sequence.Advance(1);
        }

        return _out.AsSpan(0, sequences.Length * Shape.Vocabulary);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        foreach (var tensor in _parameters.Values.Concat(_keys_SHD).Concat(_values_SHD))
            tensor.Dispose();
        _positions_TC?.Dispose();
        _cosines_TD?.Dispose();
        _sines_TD?.Dispose();
    }

    /// <summary>Computes what of the ids lies in the sequence's next chunk; the final norm's rows of these.</summary>
    private (Tensor Final_RC, int Rows) Chunk(DecodeSequence sequence, ReadOnlySpan<int> ids)
    {
        int start = sequence.Length, row = start % ChunkRows, rows = Math.Min(ids.Length, ChunkRows - row), from = start - row, end = from + ChunkRows;
        var (padded, places) = (new long[ChunkRows], new long[ChunkRows]);
        for (var r = 0; r < ChunkRows; r++)
            (padded[r], places[r]) = (r >= row && r < row + rows ? ids[r - row] : 0, Math.Min(from + r, Shape.MaxContext - 1));
        var positions_R = tensor(places).to(_device);
        var x_RC = Embed(tensor(padded).to(_device), positions_R);
        // Keys up to the chunk's end, whatever the sequence has of them: the number is that of the chunk alone. What does not exist is masked.
        var slots_T = tensor(Slots(sequence, 0, end)).to(_device);
        var written_R = tensor(Slots(sequence, start, start + rows)).to(_device);
        var later_RT = Integers(from, end, _device).unsqueeze(1).less(Integers(0, end, _device).unsqueeze(0));
        var mask_RT = zeros([ChunkRows, end], dtype: ScalarType.Float32, device: _device).Filled(later_RT, float.NegativeInfinity);
        for (var layer = 0; layer < Shape.Layers; layer++)
        {
            var (q_RHD, k_RHD, v_RHD) = Project(x_RC, layer, positions_R);
            _keys_SHD[layer].index_copy_(0, written_R, k_RHD.narrow(0, row, rows));
            _values_SHD[layer].index_copy_(0, written_R, v_RHD.narrow(0, row, rows));
            x_RC = FeedForward(x_RC, Attend(q_RHD, _keys_SHD[layer].index_select(0, slots_T), _values_SHD[layer].index_select(0, slots_T), mask_RT), layer);
        }

        sequence.Advance(rows);
        return (Norm(x_RC, "final_norm").narrow(0, row, rows), rows);
    }

    /// <summary>One token of each sequence; the final norm's rows, as many as a tile has.</summary>
    private Tensor Step(DecodeSequence[] sequences, ReadOnlySpan<int> ids)
    {
        var (padded, places) = (new long[DecodeRows], new long[DecodeRows]);
        for (var r = 0; r < sequences.Length; r++)
            (padded[r], places[r]) = (ids[r], sequences[r].Length);
        var positions_R = tensor(places).to(_device);
        var x_RC = Embed(tensor(padded).to(_device), positions_R);
        var written_R = tensor(sequences.Select(s => Slots(s, s.Length, s.Length + 1)[0]).ToArray()).to(_device);
        Tensor[] slots_T = [.. sequences.Select(s => tensor(Slots(s, 0, s.Length + 1)).to(_device))];
        for (var layer = 0; layer < Shape.Layers; layer++)
        {
            var (q_RHD, k_RHD, v_RHD) = Project(x_RC, layer, positions_R);
            _keys_SHD[layer].index_copy_(0, written_R, k_RHD.narrow(0, 0, sequences.Length));
            _values_SHD[layer].index_copy_(0, written_R, v_RHD.narrow(0, 0, sequences.Length));
            var attended = new Tensor[DecodeRows];
            for (var r = 0; r < DecodeRows; r++)
            {
                attended[r] = r < sequences.Length
                    ? Attend(q_RHD.narrow(0, r, 1), _keys_SHD[layer].index_select(0, slots_T[r]), _values_SHD[layer].index_select(0, slots_T[r]), null)
                    : attended[0];
            }

            x_RC = FeedForward(x_RC, cat(attended, 0), layer);
        }

        return Norm(x_RC, "final_norm");
    }

    /// <summary>Where tokens [from, to) lie in the cache; 0 for those that have no block.</summary>
    private static long[] Slots(DecodeSequence sequence, int from, int to)
    {
        var blocks = sequence.Blocks;
        var slots = new long[to - from];
        for (var t = from; t < to; t++)
            slots[t - from] = t / BlockTokens < blocks.Length ? (long)blocks[t / BlockTokens] * BlockTokens + t % BlockTokens : 0;
        return slots;
    }

    private Tensor Embed(Tensor ids_R, Tensor positions_R)
    {
        var x_RC = _parameters["token_embedding.weight"].index_select(0, ids_R).to(ScalarType.Float32).Times(Shape.EmbeddingScale);
        return _positions_TC is null ? x_RC : x_RC.Plus(_positions_TC.index_select(0, positions_R));
    }

    private (Tensor Q_RHD, Tensor K_RHD, Tensor V_RHD) Project(Tensor x_RC, int layer, Tensor positions_R)
    {
        int query = Shape.Heads * Shape.HeadSize, keyValue = Shape.KvHeads * Shape.HeadSize;
        var qkv = Linear(Norm(x_RC, $"blocks.{layer}.attention_norm"), $"blocks.{layer}.attention.qkv");
        var rows = qkv.shape[0];
        var q_RHD = qkv.narrow(1, 0, query).reshape(rows, Shape.Heads, Shape.HeadSize);
        var k_RHD = qkv.narrow(1, query, keyValue).reshape(rows, Shape.KvHeads, Shape.HeadSize);
        var v_RHD = qkv.narrow(1, query + keyValue, keyValue).reshape(rows, Shape.KvHeads, Shape.HeadSize);
        if (_cosines_TD is not null)
        {
            Tensor cosines_R1D = _cosines_TD.index_select(0, positions_R).unsqueeze(1), sines_R1D = _sines_TD!.index_select(0, positions_R).unsqueeze(1);
            (q_RHD, k_RHD) = (Rotate(q_RHD), Rotate(k_RHD));

            Tensor Rotate(Tensor rows_RHD)
            {
                var half = Shape.HeadSize / 2;
                Tensor a = rows_RHD.narrow(2, 0, half), b = rows_RHD.narrow(2, half, half);
                return cat([(a * cosines_R1D).Minus(b * sines_R1D), (b * cosines_R1D).Plus(a * sines_R1D)], 2);
            }
        }

        return (q_RHD, k_RHD.to(_type), v_RHD.to(_type));
    }

    /// <summary>softmax(q·kᵀ/√D + mask)·v, in fp32.</summary>
    private Tensor Attend(Tensor q_RHD, Tensor k_THD, Tensor v_THD, Tensor? mask_RT)
    {
        Tensor k_HDT = Grouped(k_THD).permute(1, 2, 0), v_HTD = Grouped(v_THD).transpose(0, 1);
        var scores_HRT = matmul(q_RHD.transpose(0, 1), k_HDT).Times(1f / MathF.Sqrt(Shape.HeadSize));
        if (mask_RT is not null)
            scores_HRT = scores_HRT.Plus(mask_RT);
        return matmul(scores_HRT.softmax(-1), v_HTD).transpose(0, 1).reshape(q_RHD.shape[0], -1);

        Tensor Grouped(Tensor rows_THD)
        {
            var wide = rows_THD.to(ScalarType.Float32);
            return Shape.KvHeads == Shape.Heads ? wide : wide.repeat_interleave(Shape.Heads / Shape.KvHeads, 1);
        }
    }

    /// <summary>The rest of a block: output projection, norm, feed-forward, both residuals.</summary>
    private Tensor FeedForward(Tensor x_RC, Tensor attended_RC, int layer)
    {
        x_RC = x_RC.Plus(Linear(attended_RC, $"blocks.{layer}.attention.output"));
        var up = Linear(Norm(x_RC, $"blocks.{layer}.feed_forward_norm"), $"blocks.{layer}.feed_forward.up");
        Tensor hidden_RF;
        if (Shape.Activation == Activation.Swiglu)
        {
            var gate = up.narrow(1, 0, Shape.FeedForward);
            hidden_RF = gate * gate.sigmoid() * up.narrow(1, Shape.FeedForward, Shape.FeedForward);
        }
        else
        {
            hidden_RF = up.Times(0.5f) * up.Plus((up * up * up).Times(0.044715f)).Times(0.7978845608028654f).tanh().Plus(1f);
        }

        return x_RC.Plus(Linear(hidden_RF, $"blocks.{layer}.feed_forward.down"));
    }

    private Tensor Norm(Tensor x_RC, string name)
    {
        var bias = _parameters.GetValueOrDefault(name + ".bias");
        if (Shape.Norm == Normalization.LayerNorm)
            return nn.functional.layer_norm(x_RC, [Shape.Width], _parameters[name + ".gain"], bias, ModelShape.NormEpsilon);
        var y_RC = x_RC * (x_RC * x_RC).mean([1], keepdim: true).Plus(ModelShape.NormEpsilon).rsqrt() * _parameters[name + ".gain"];
        return bias is null ? y_RC : y_RC.Plus(bias);
    }

    /// <summary>x·Wᵀ + b in fp32, of a product in the backend's own type.</summary>
    private Tensor Linear(Tensor x_RC, string name)
    {
        var y = matmul(x_RC.to(_type), _parameters[name + ".weight"].t()).to(ScalarType.Float32);
        return _parameters.TryGetValue(name + ".bias", out var bias) ? y.Plus(bias) : y;
    }

    /// <summary>The head's rows, tile by tile: so that they are the same whoever asks for how many.</summary>
    private Tensor Logits(Tensor final_RC)
    {
        var name = Shape.TiedHead ? "token_embedding" : "head";
        var tile = DecodeRows;
        var rows = final_RC.shape[0];
        var parts = new List<Tensor>();
        for (long start = 0; start < rows; start += tile)
        {
            var count = Math.Min(tile, rows - start);
            var part = final_RC.narrow(0, start, count);
            if (count < tile)
                part = cat([part, zeros([tile - count, Shape.Width], dtype: ScalarType.Float32, device: _device)], 0);
            parts.Add(Linear(part, name).narrow(0, 0, count));
        }

        return cat(parts, 0);
    }

    /// <summary>Whether a row comes out the same in every place of a tile, among whatever other rows.</summary>
    private bool PlacesAgree()
    {
        using var scope = NewDisposeScope();
        foreach (var name in (string[])["blocks.0.attention.qkv", "blocks.0.attention.output", "blocks.0.feed_forward.up", "blocks.0.feed_forward.down", Shape.TiedHead ? "token_embedding" : "head"])
        {
            var inputs = _parameters[name + ".weight"].shape[1];
            var values = new float[(TileRows + 1) * inputs];
            var random = new CounterRandom(1, RandomPurpose.Synthetic, 17);
            for (var i = 0; i < values.Length; i++)
                values[i] = (float)(random.Double((ulong)i) - 0.5);
            var rows = tensor(values).reshape(TileRows + 1, inputs).to(_device);
            var row = rows.narrow(0, TileRows, 1);
            Tensor? first = null;
            for (var place = 0; place < TileRows; place++)
            {
                var tile = rows.narrow(0, 0, TileRows).clone();
                tile.narrow(0, place, 1).copy_(row);
                var y = Linear(tile, name).narrow(0, place, 1);
                first ??= y;
                if (!y.eq(first).all().ToBoolean())
                    return false;
            }
        }

        return true;
    }

    private (Tensor Cosines_TD, Tensor Sines_TD) Angles()
    {
        var half = Shape.HeadSize / 2;
        float[] cosines = new float[Shape.MaxContext * half], sines = new float[cosines.Length];
        for (var t = 0; t < Shape.MaxContext; t++)
        {
            for (var i = 0; i < half; i++)
            {
                var angle = t / Math.Pow(ModelShape.PositionBase, 2.0 * i / Shape.HeadSize);
                (cosines[t * half + i], sines[t * half + i]) = ((float)Math.Cos(angle), (float)Math.Sin(angle));
            }
        }

        return (Table(cosines), Table(sines));

        Tensor Table(float[] values) => tensor(values).reshape(Shape.MaxContext, half).to(_device).DetachFromDisposeScope();
    }

    private void Copy(Tensor rows, int at, int total)
    {
        if (_out.Length < total)
            Array.Resize(ref _out, total);
        using var host = rows.to(ScalarType.Float32).cpu().contiguous();
        host.data<float>().CopyTo(_out, at);
    }

    /// <summary>Both settings are a thread's own, and an engine's thread is not the one that made this.</summary>
    private void EnterThread()
    {
        if (_thread == Environment.CurrentManagedThreadId)
            return;
        TorchRuntime.SetThreads(_threads);
        set_grad_enabled(false);
        _thread = Environment.CurrentManagedThreadId;
    }

    private void Check(DecodeSequence sequence, ReadOnlySpan<int> ids)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        this.CheckOwned(sequence);
        this.CheckIds(ids);
    }
}
