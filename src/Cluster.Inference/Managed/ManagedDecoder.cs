// The forward pass of training, token by token, in managed code on one thread. Enters: a flat fp32 parameter vector, then token
// ids. Leaves: logits. Does not know: tokenization, sampling, files, Torch.
// Shapes: R rows = tokens computed together (of one sequence in prefill, of several in decode), C width, F feed-forward, V vocabulary.
using System.Runtime.InteropServices;
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Inference.Kernels;

namespace Cluster.Inference.Managed;

/// <summary>
/// A decode backend of Vector512 kernels (the runtime falls back to narrower vectors where the processor has none). It copies the
/// weights into panels and allocates nothing per token but the cache's blocks, each once. Prefill runs the same row kernels as
/// decode, several rows at a time, so a token's keys, values and logits are the same bits whichever of the two computed them.
/// </summary>
public sealed unsafe class ManagedDecoder : IPrefillHost
{
    private readonly ParameterLayout _layout;
    private readonly NativeArena _weights, _scratch;
    private readonly Block[] _blocks;
    private readonly float* _embedding, _positions, _finalGain, _finalBias;
    private readonly PanelMatrix _head;
    private readonly CachedAttention _attention;
    private readonly double[]? _wavelengths;
    private readonly float* _x, _h, _qkv, _attended, _branch, _up, _hidden, _logits, _cosines, _sines;
    private readonly float** _blockPointers;
    private readonly nint[] _storage;
    private readonly int _blockFloats;
    private readonly DecodeSequence[] _rowSequences = new DecodeSequence[MaxRows];
    private readonly int[] _rowPositions = new int[MaxRows];
    private float[] _batchLogits = [];
    private bool _disposed;

    private const int MaxRows = 32;
    private const int DefaultSequences = 16;

    /// <param name="layout">The model's shape and where its parameters lie.</param>
    /// <param name="parameters">The flat vector, of the layout's total length; copied.</param>
    /// <param name="precision">How the matrices are stored.</param>
    /// <param name="cacheTokens">Tokens that the cache has room for, all sequences together; 0 for 16 sequences of full length.
    /// Memory is taken block by block when first used.</param>
    public ManagedDecoder(ParameterLayout layout, ReadOnlySpan<float> parameters, DecodePrecision precision, int cacheTokens = 0)
    {
        if (parameters.Length != layout.TotalCount)
            throw new ArgumentException($"{parameters.Length} parameters, but the layout has {layout.TotalCount}", nameof(parameters));
        ArgumentOutOfRangeException.ThrowIfNegative(cacheTokens);
        _layout = layout;
        var shape = Shape = layout.Shape;
        Precision = precision;
        int width = shape.Width, query = shape.Heads * shape.HeadSize, qkv = query + 2 * shape.KvHeads * shape.HeadSize;
        var up = shape.Activation == Activation.Swiglu ? 2 * shape.FeedForward : shape.FeedForward;

        var elementSize = precision == DecodePrecision.Bf16 ? sizeof(ushort) : sizeof(float);
        var sinusoidal = shape.Positions == PositionEncoding.Sinusoidal ? (long)shape.MaxContext * width : 0;
        var bytes = NativeArena.Align(sinusoidal * sizeof(float));
        foreach (var p in layout.Parameters)
        {
            if (IsProduct(p))
                bytes += NativeArena.Align(PanelMatrix.PackedCount(p.Rows, p.Columns) * elementSize);
            if (!IsProduct(p) || p.Name == "token_embedding.weight")
                bytes += NativeArena.Align(p.Count * sizeof(float));
        }

        _weights = new NativeArena(bytes);
        // In the order in which a decode step reads them.
        _embedding = Vector("token_embedding.weight", parameters);
        if (shape.Positions == PositionEncoding.Sinusoidal)
        {
            _positions = (float*)_weights.Take(sinusoidal * sizeof(float));
            SinusoidalPositions.Fill(new Span<float>(_positions, checked((int)sinusoidal)), width);
        }
        else
        {
            _positions = Vector("position_embedding.weight", parameters);
        }

        _blocks = new Block[shape.Layers];
        for (var i = 0; i < shape.Layers; i++)
        {
            var name = $"blocks.{i}.";
            _blocks[i] = new Block
            {
                AttentionGain = Vector(name + "attention_norm.gain", parameters),
                AttentionBias = Vector(name + "attention_norm.bias", parameters),
                Qkv = Matrix(name + "attention.qkv.weight", parameters),
                QkvBias = Vector(name + "attention.qkv.bias", parameters),
                Output = Matrix(name + "attention.output.weight", parameters),
                OutputBias = Vector(name + "attention.output.bias", parameters),
                FeedForwardGain = Vector(name + "feed_forward_norm.gain", parameters),
                FeedForwardBias = Vector(name + "feed_forward_norm.bias", parameters),
                Up = Matrix(name + "feed_forward.up.weight", parameters),
                UpBias = Vector(name + "feed_forward.up.bias", parameters),
                Down = Matrix(name + "feed_forward.down.weight", parameters),
                DownBias = Vector(name + "feed_forward.down.bias", parameters),
            };
        }

        _finalGain = Vector("final_norm.gain", parameters);
        _finalBias = Vector("final_norm.bias", parameters);
        _head = Matrix(shape.TiedHead ? "token_embedding.weight" : "head.weight", parameters);

        if (shape.Positions == PositionEncoding.Rotary)
            _wavelengths = [.. Enumerable.Range(0, shape.HeadSize / 2).Select(i => Math.Pow(ModelShape.PositionBase, 2.0 * i / shape.HeadSize))];
        _attention = new CachedAttention(shape.Heads, shape.KvHeads, shape.HeadSize, shape.MaxContext);
        _blockFloats = checked(_attention.BlockFloats * shape.Layers);
        var cache = cacheTokens == 0 ? (long)DefaultSequences * shape.MaxContext : cacheTokens;
        Cache = new KvBlockPool(checked((int)((cache + CachedAttention.BlockTokens - 1) / CachedAttention.BlockTokens)), CachedAttention.BlockTokens);
        _storage = new nint[Cache.Count];

        long pointers = (shape.MaxContext + CachedAttention.BlockTokens - 1) / CachedAttention.BlockTokens;
        var half = shape.HeadSize / 2;
        long floats = 3L * width + qkv + query + up + shape.FeedForward + shape.Vocabulary + 2L * half;
        _scratch = new NativeArena(MaxRows * floats * sizeof(float) + pointers * sizeof(nint) + 16 * 64);
        _x = Scratch(width);
        _h = Scratch(width);
        _branch = Scratch(width);
        _qkv = Scratch(qkv);
        _attended = Scratch(query);
        _up = Scratch(up);
        _hidden = Scratch(shape.FeedForward);
        _logits = Scratch(shape.Vocabulary);
        _cosines = Scratch(half);
        _sines = Scratch(half);
        _blockPointers = (float**)_scratch.Take(pointers * sizeof(nint));
    }

    /// <inheritdoc/>
    public ModelShape Shape { get; }

    /// <summary>How the matrices are stored.</summary>
    public DecodePrecision Precision { get; }

    /// <inheritdoc/>
    public int PrefillChunk => MaxRows;

    /// <summary>True: both run the same row kernels.</summary>
    public bool PrefillEqualsDecode => true;

    /// <inheritdoc/>
    public KvBlockPool Cache { get; }

    /// <inheritdoc/>
    public DecodeSequence CreateSequence() => new(Cache, Shape.MaxContext);

    /// <inheritdoc/>
    public ReadOnlySpan<float> Prefill(DecodeSequence sequence, scoped ReadOnlySpan<int> ids, LogitRows logits = LogitRows.Last)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        CheckIds(ids);
        CheckOwned(sequence);
        if (logits == LogitRows.All)
            ArgumentOutOfRangeException.ThrowIfGreaterThan(ids.Length, PrefillChunk, nameof(ids));
        sequence.Reserve(ids.Length);
        var wanted = ids.Length;
        while (!ids.IsEmpty)
        {
            // Chunks end at multiples of the chunk, so that where a prompt was cut leaves no trace in the numbers of rows either.
            var rows = Math.Min(ids.Length, PrefillChunk - sequence.Length % PrefillChunk);
            if (logits == LogitRows.All)
                rows = ids.Length;
            for (var r = 0; r < rows; r++)
                (_rowSequences[r], _rowPositions[r]) = (sequence, sequence.Length + r);
            var last = rows == ids.Length;
            Forward(ids[..rows], firstLogitRow: !last || logits == LogitRows.None ? rows : logits == LogitRows.All ? 0 : rows - 1);
            sequence.Advance(rows);
            ids = ids[rows..];
        }

        var count = logits switch { LogitRows.None => 0, LogitRows.Last => 1, _ => wanted };
        return new ReadOnlySpan<float>(_logits, count * Shape.Vocabulary);
    }

    /// <inheritdoc/>
    public ReadOnlySpan<float> Hidden(DecodeSequence sequence, scoped ReadOnlySpan<int> ids)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        CheckIds(ids);
        CheckOwned(sequence);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ids.Length, PrefillChunk, nameof(ids));
        sequence.Reserve(ids.Length);
        for (var r = 0; r < ids.Length; r++)
            (_rowSequences[r], _rowPositions[r]) = (sequence, sequence.Length + r);
        Forward(ids, firstLogitRow: 0, head: false);
        sequence.Advance(ids.Length);
        return new ReadOnlySpan<float>(_h, ids.Length * Shape.Width);
    }

    /// <inheritdoc/>
    public ReadOnlySpan<float> Decode(scoped ReadOnlySpan<DecodeSequence> sequences, scoped ReadOnlySpan<int> ids)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        if (sequences.Length != ids.Length)
            throw new ArgumentException($"{ids.Length} ids for {sequences.Length} sequences", nameof(ids));
        CheckIds(ids);
        var missing = 0;
        for (var i = 0; i < sequences.Length; i++)
        {
            CheckOwned(sequences[i]);
            missing += sequences[i].Missing(1);
            if (sequences[..i].Contains(sequences[i]))
                throw new ArgumentException($"sequence {i} is in the batch twice", nameof(sequences));
        }

        if (missing > Cache.Free)
            throw new KvCacheFullException(missing, Cache.Free);
        foreach (var sequence in sequences)
            sequence.Reserve(1);

        var several = sequences.Length > MaxRows;
        if (several && _batchLogits.Length < sequences.Length * Shape.Vocabulary)
            _batchLogits = new float[sequences.Length * Shape.Vocabulary];
        for (var start = 0; start < sequences.Length; start += MaxRows)
        {
            var part = sequences.Slice(start, Math.Min(MaxRows, sequences.Length - start));
            for (var r = 0; r < part.Length; r++)
                (_rowSequences[r], _rowPositions[r]) = (part[r], part[r].Length);
            Forward(ids.Slice(start, part.Length), firstLogitRow: 0);
            foreach (var sequence in part)
                sequence.Advance(1);
            if (several)
                new ReadOnlySpan<float>(_logits, part.Length * Shape.Vocabulary).CopyTo(_batchLogits.AsSpan(start * Shape.Vocabulary));
        }

        var count = sequences.Length * Shape.Vocabulary;
        return several ? _batchLogits.AsSpan(0, count) : new ReadOnlySpan<float>(_logits, count);
    }

    /// <inheritdoc/>
    public void Embed(scoped ReadOnlySpan<int> ids, int position, Span<float> x)
    {
        CheckIds(ids);
        ArgumentOutOfRangeException.ThrowIfLessThan(x.Length, ids.Length * Shape.Width, nameof(x));
        fixed (float* rows = x)
        {
            for (var r = 0; r < ids.Length; r++)
                EmbedRow(rows + (long)r * Shape.Width, ids[r], position + r);
        }
    }

    /// <inheritdoc/>
    public void WriteKeysAndValues(DecodeSequence sequence, int layer, int position, ReadOnlySpan<float> keys, ReadOnlySpan<float> values)
    {
        CheckOwned(sequence);
        var width = Shape.KvHeads * Shape.HeadSize;
        for (var t = 0; t < keys.Length / width; t++)
        {
            var (block, slot) = Math.DivRem(position + t, CachedAttention.BlockTokens);
            _attention.Write(Storage(sequence.Blocks[block]) + (long)layer * _attention.BlockFloats, slot,
                keys.Slice(t * width, width), values.Slice(t * width, width));
        }
    }

    /// <inheritdoc/>
    public void ReadKeysAndValues(DecodeSequence sequence, int layer, Span<float> keys, Span<float> values)
    {
        CheckOwned(sequence);
        var width = Shape.KvHeads * Shape.HeadSize;
        for (var t = 0; t < keys.Length / width; t++)
        {
            var (block, slot) = Math.DivRem(t, CachedAttention.BlockTokens);
            _attention.Read(Storage(sequence.Blocks[block]) + (long)layer * _attention.BlockFloats, slot,
                keys.Slice(t * width, width), values.Slice(t * width, width));
        }
    }

    /// <inheritdoc/>
    public ReadOnlySpan<float> Logits(ReadOnlySpan<float> hidden)
    {
        var rows = hidden.Length / Shape.Width;
        if (rows <= MaxRows)
        {
            Head(hidden, rows);
            return new ReadOnlySpan<float>(_logits, rows * Shape.Vocabulary);
        }

        if (_batchLogits.Length < rows * Shape.Vocabulary)
            _batchLogits = new float[rows * Shape.Vocabulary];
        for (var start = 0; start < rows; start += MaxRows)
        {
            var count = Math.Min(MaxRows, rows - start);
            Head(hidden.Slice(start * Shape.Width, count * Shape.Width), count);
            new ReadOnlySpan<float>(_logits, count * Shape.Vocabulary).CopyTo(_batchLogits.AsSpan(start * Shape.Vocabulary));
        }

        return _batchLogits.AsSpan(0, rows * Shape.Vocabulary);

        void Head(ReadOnlySpan<float> part, int count)
        {
            part.CopyTo(new Span<float>(_h, part.Length));
            _head.Multiply(_h, _logits, count);
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        foreach (var block in _storage)
            NativeMemory.AlignedFree((void*)block);
        _attention.Dispose();
        _scratch.Dispose();
        _weights.Dispose();
    }

    /// <summary>
    /// Runs the rows set in _rowSequences and _rowPositions; writes the logits of the rows from <paramref name="firstLogitRow"/> on to
    /// the start of _logits, or, without the head, what it would make them from to the start of _h.
    /// </summary>
    private void Forward(ReadOnlySpan<int> ids, int firstLogitRow, bool head = true)
    {
        int rows = ids.Length, width = Shape.Width;
        for (var r = 0; r < rows; r++)
        {
            EmbedRow(_x + r * width, ids[r], _rowPositions[r]);
            Angles(r);
        }

        float* branch = null, branchBias = null;
        for (var layer = 0; layer < _blocks.Length; layer++)
        {
            var block = _blocks[layer];
            DecodeKernels.AddNorm(_x, branch, branchBias, _h, block.AttentionGain, block.AttentionBias, rows, width, Shape.Norm);
            block.Qkv.Multiply(_h, _qkv, rows);
            Attend(layer, block, rows);
            block.Output.Multiply(_attended, _branch, rows);
            DecodeKernels.AddNorm(_x, _branch, block.OutputBias, _h, block.FeedForwardGain, block.FeedForwardBias, rows, width, Shape.Norm);
            block.Up.Multiply(_h, _up, rows);
            if (Shape.Activation == Activation.Swiglu)
                DecodeKernels.Swiglu(_up, block.UpBias, _hidden, rows, Shape.FeedForward);
            else
                DecodeKernels.Gelu(_up, block.UpBias, _hidden, rows, Shape.FeedForward);
            block.Down.Multiply(_hidden, _branch, rows);
            branch = _branch;
            branchBias = block.DownBias;
        }

        if (firstLogitRow == rows)
            return;
        long skipped = (long)firstLogitRow * width;
        DecodeKernels.AddNorm(_x + skipped, branch + skipped, branchBias, _h, _finalGain, _finalBias, rows - firstLogitRow, width, Shape.Norm);
        if (head)
            _head.Multiply(_h, _logits, rows - firstLogitRow);
    }

    private void EmbedRow(float* x, int id, int position)
    {
        var width = Shape.Width;
        DecodeKernels.Embed(x, _embedding + (long)id * width, _positions == null ? null : _positions + (long)position * width, width, Shape.EmbeddingScale);
    }

    /// <summary>Attention row by row: a prompt's later rows read the keys and values that its earlier rows have just written.</summary>
    private void Attend(int layer, Block block, int rows)
    {
        int query = Shape.Heads * Shape.HeadSize, qkv = query + 2 * Shape.KvHeads * Shape.HeadSize, half = Shape.HeadSize / 2;
        var offset = (long)layer * _attention.BlockFloats;
        for (var r = 0; r < rows; r++)
        {
            // The rows of a prefill share one sequence; the last of them needs the most blocks, so all pointers are set at the first.
            if (r == 0 || _rowSequences[r] != _rowSequences[r - 1])
            {
                var numbers = _rowSequences[r].Blocks;
                for (var b = 0; b < numbers.Length; b++)
                    _blockPointers[b] = Storage(numbers[b]) + offset;
            }

            var rotate = _wavelengths is not null;
            _attention.Run(_qkv + (long)r * qkv, block.QkvBias, rotate ? _cosines + r * half : null, rotate ? _sines + r * half : null,
                _rowPositions[r], _blockPointers, _attended + (long)r * query);
        }
    }

    /// <summary>cos and sin of a row's rotary angles, as training's table has them.</summary>
    private void Angles(int row)
    {
        if (_wavelengths is null)
            return;
        for (var i = 0; i < _wavelengths.Length; i++)
        {
            var angle = _rowPositions[row] / _wavelengths[i];
            _cosines[row * _wavelengths.Length + i] = (float)Math.Cos(angle);
            _sines[row * _wavelengths.Length + i] = (float)Math.Sin(angle);
        }
    }

    private float* Storage(int number)
    {
        if (_storage[number] == 0)
        {
            var size = (nuint)_blockFloats * sizeof(float);
            var memory = NativeMemory.AlignedAlloc(size, 64);
            NativeMemory.Clear(memory, size);
            _storage[number] = (nint)memory;
        }

        return (float*)_storage[number];
    }

    private void CheckIds(ReadOnlySpan<int> ids)
    {
        if (ids.IsEmpty)
            throw new ArgumentException("no ids", nameof(ids));
        foreach (var id in ids)
        {
            if ((uint)id >= (uint)Shape.Vocabulary)
                throw new ArgumentException($"id {id} is outside the vocabulary of {Shape.Vocabulary}", nameof(ids));
        }
    }

    private void CheckOwned(DecodeSequence sequence)
    {
        if (sequence.Pool != Cache)
            throw new ArgumentException("the sequence belongs to another backend", nameof(sequence));
    }

    private bool IsProduct(Parameter p) => p.IsMatrix && p.Name != "position_embedding.weight" && (Shape.TiedHead || p.Name != "token_embedding.weight");

    private PanelMatrix Matrix(string name, ReadOnlySpan<float> parameters)
    {
        var p = _layout[name];
        var weights = parameters.Slice((int)p.Offset, checked((int)p.Count));
        var count = PanelMatrix.PackedCount(p.Rows, p.Columns);
        return Precision == DecodePrecision.Bf16
            ? new PanelMatrix<Bf16Weight>(weights, p.Rows, p.Columns, (Bf16Weight*)_weights.Take(count * sizeof(Bf16Weight)))
            : new PanelMatrix<Fp32Weight>(weights, p.Rows, p.Columns, (Fp32Weight*)_weights.Take(count * sizeof(Fp32Weight)));
    }

    /// <summary>A copy in fp32, or null where the shape has no such parameter.</summary>
    private float* Vector(string name, ReadOnlySpan<float> parameters)
    {
        if (_layout.Find(name) is not { } p)
            return null;
        var count = checked((int)p.Count);
        var copy = (float*)_weights.Take(p.Count * sizeof(float));
        parameters.Slice((int)p.Offset, count).CopyTo(new Span<float>(copy, count));
        return copy;
    }

    private float* Scratch(long width) => (float*)_scratch.Take(MaxRows * width * sizeof(float));

    /// <summary>One transformer block's weights; a bias is null where the shape has none.</summary>
    private sealed class Block
    {
        public required float* AttentionGain { get; init; }

        public required float* AttentionBias { get; init; }

        public required PanelMatrix Qkv { get; init; }

        public required float* QkvBias { get; init; }

        public required PanelMatrix Output { get; init; }

        public required float* OutputBias { get; init; }

        public required float* FeedForwardGain { get; init; }

        public required float* FeedForwardBias { get; init; }

        public required PanelMatrix Up { get; init; }

        public required float* UpBias { get; init; }

        public required PanelMatrix Down { get; init; }

        public required float* DownBias { get; init; }
    }
}
