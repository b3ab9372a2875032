// The forward pass of training, token by token, in managed code: a graph of the model is built, optimised by passes, compiled and run.
// Enters: a flat fp32 parameter vector, then token ids. Leaves: logits. Does not know: tokenization, sampling, files, Torch, kernels.
using System.Runtime.InteropServices;
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Cache;
using Cluster.Inference.Graph;
using Cluster.Inference.Graph.Passes;
using Cluster.Inference.Kernels;
using Cluster.Inference.Quantization;

namespace Cluster.Inference.Managed;

/// <summary>
/// A decode backend of Vector512 kernels (the runtime falls back to narrower vectors where the processor has none). It copies the
/// weights into panels and allocates nothing per token but the cache's blocks, each once. Prefill runs the same row kernels as
/// decode, several rows at a time, so a token's keys, values and logits are the same bits whichever of the two computed them; nor do
/// they depend on the number of threads, since an output is always the work of one.
/// </summary>
public sealed unsafe class ManagedDecoder : IPrefillHost
{
    private readonly CompiledGraph _compiled;
    private readonly DecodeBatch _batch;
    private readonly KeyValueFormat _keyValues;
    private readonly nint[] _storage;
    private readonly int _blockBytes;
    private readonly DecodeSequence[] _rowSequences = new DecodeSequence[MaxRows];
    private float[] _batchLogits = [];
    private bool _disposed;

    // The pass that multiplies weights by constants: codes have their values, and calibration asks for what enters the products as they are.
    private const string ChangesValues = "fold-constants";

    private const int MaxRows = 32;
    private const int DefaultSequences = 16;

    /// <param name="layout">The model's shape and where its parameters lie.</param>
    /// <param name="parameters">The flat vector, of the layout's total length; copied.</param>
    /// <param name="precision">How the matrices are stored.</param>
    /// <param name="cacheTokens">Tokens that the cache has room for, all sequences together; 0 for 16 sequences of full length.
    /// Memory is taken block by block when first used.</param>
    /// <param name="threads">Most threads that compute, the caller's included, 1 to 256; where other programs want the cores, the caller's alone.
    /// They change no bit.</param>
    /// <param name="without">Names of <see cref="GraphPasses"/> to leave out; logits differ by rounding.</param>
    /// <param name="cacheFormat">How keys and values are stored.</param>
    /// <param name="statistics">Told of what enters the products, whose weights then stay as the parameters have them; null to watch nothing.</param>
    /// <exception cref="Core.Errors.UserErrorException">A name is no pass's.</exception>
    public ManagedDecoder(ParameterLayout layout, ReadOnlySpan<float> parameters, DecodePrecision precision, int cacheTokens = 0, int threads = 1,
        IReadOnlyCollection<string>? without = null, CacheFormat cacheFormat = CacheFormat.Fp32, ActivationStatistics? statistics = null)
        : this(layout, parameters, PanelFormat.Of(precision), cacheTokens, threads, without, cacheFormat, statistics, new ThreadChoice()) => Precision = precision;

    /// <summary>With another format, or always with all threads where no choice is given: what tests need.</summary>
    internal ManagedDecoder(ParameterLayout layout, ReadOnlySpan<float> parameters, PanelFormat format, int cacheTokens = 0, int threads = 1,
        IReadOnlyCollection<string>? without = null, CacheFormat cacheFormat = CacheFormat.Fp32, ActivationStatistics? statistics = null,
        ThreadChoice? choice = null)
        : this(layout, cacheTokens, threads, statistics is null ? without ?? [] : [.. without ?? [], ChangesValues], cacheFormat, out var keyValues)
    {
        if (parameters.Length != layout.TotalCount)
            throw new ArgumentException($"{parameters.Length} parameters, but the layout has {layout.TotalCount}", nameof(parameters));
        fixed (float* values = parameters)
        {
            var source = new FlatParameters(values);
            _compiled = new CompiledGraph(Graph, source, new WidenedMatrices(source, format, statistics), keyValues, _batch, threads) { Choice = choice };
        }
    }

    /// <param name="model">The model; its codes are copied as they are. Keys and values are stored as its scheme says.</param>
    /// <param name="cacheTokens">As above.</param>
    /// <param name="threads">As above.</param>
    /// <param name="without">As above; constants are never folded into codes.</param>
    public ManagedDecoder(QuantizedModel model, int cacheTokens = 0, int threads = 1, IReadOnlyCollection<string>? without = null)
        : this(model.Layout, cacheTokens, threads, [.. without ?? [], ChangesValues], model.Scheme.Cache, out var keyValues) =>
        _compiled = new CompiledGraph(Graph, new QuantizedVectors(model), new QuantizedMatrices(model), keyValues, _batch, threads) { Choice = new ThreadChoice() };

    private ManagedDecoder(ParameterLayout layout, int cacheTokens, int threads, IReadOnlyCollection<string> without,
        CacheFormat cacheFormat, out KeyValueFormat keyValues)
    {
        _compiled = null!; // Made by whoever knows the parameters.
        ArgumentOutOfRangeException.ThrowIfNegative(cacheTokens);
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(threads, 256);
        (Shape, Threads, Without) = (layout.Shape, threads, without);
        Graph = GraphPasses.Optimise(GraphBuilder.Build(layout), without);
        _keyValues = keyValues = KeyValueFormat.Of(cacheFormat, Shape.KvHeads, Shape.HeadSize);
        _blockBytes = checked(keyValues.LayerBytes * Shape.Layers);
        var cache = cacheTokens == 0 ? (long)DefaultSequences * Shape.MaxContext : cacheTokens;
        Cache = new KvBlockPool(checked((int)((cache + KeyValueFormat.BlockTokens - 1) / KeyValueFormat.BlockTokens)), KeyValueFormat.BlockTokens);
        _storage = new nint[Cache.Count];
        _batch = new DecodeBatch(MaxRows, Cache.BlocksFor(Shape.MaxContext));
    }

    /// <summary>What is run, after all passes.</summary>
    public ModelGraph Graph { get; }

    /// <summary>Passes that were left out.</summary>
    public IReadOnlyCollection<string> Without { get; }

    /// <summary>The nodes of <see cref="Graph"/> that are run, in order: all but slices, which are views.</summary>
    internal IEnumerable<string> Steps => _compiled.Steps;

    /// <summary>Most threads that compute, the caller's included.</summary>
    public int Threads { get; }

    /// <summary>Bytes of matrices that a decode step reads, whatever its batch up to 32.</summary>
    public long MatrixBytes => _compiled.MatrixBytes;

    /// <inheritdoc/>
    public ModelShape Shape { get; }

    /// <summary>How the matrices are stored; fp32 where they are quantised.</summary>
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
        this.CheckIds(ids);
        this.CheckOwned(sequence);
        if (logits == LogitRows.All)
            ArgumentOutOfRangeException.ThrowIfGreaterThan(ids.Length, PrefillChunk, nameof(ids));
        sequence.Reserve(ids.Length);
        var wanted = ids.Length;
        float* computed = null;
        while (!ids.IsEmpty)
        {
            // Chunks end at multiples of the chunk, so that where a prompt was cut leaves no trace in the numbers of rows either.
            var rows = Math.Min(ids.Length, PrefillChunk - sequence.Length % PrefillChunk);
            if (logits == LogitRows.All)
                rows = ids.Length;
            _rowSequences.AsSpan(0, rows).Fill(sequence);
            var last = rows == ids.Length;
            computed = Forward(ids[..rows], firstLogitRow: !last || logits == LogitRows.None ? rows : logits == LogitRows.All ? 0 : rows - 1);
            sequence.Advance(rows);
            ids = ids[rows..];
        }

        var count = logits switch { LogitRows.None => 0, LogitRows.Last => 1, _ => wanted };
        return new ReadOnlySpan<float>(computed, count * Shape.Vocabulary);
    }

    /// <inheritdoc/>
    public ReadOnlySpan<float> Hidden(DecodeSequence sequence, scoped ReadOnlySpan<int> ids)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        this.CheckIds(ids);
        this.CheckOwned(sequence);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(ids.Length, PrefillChunk, nameof(ids));
        sequence.Reserve(ids.Length);
        _rowSequences.AsSpan(0, ids.Length).Fill(sequence);
        SetRows(ids);
        var hidden = _compiled.Hidden();
        sequence.Advance(ids.Length);
        return new ReadOnlySpan<float>(hidden, ids.Length * Shape.Width);
    }

    /// <inheritdoc/>
    public ReadOnlySpan<float> Decode(scoped ReadOnlySpan<DecodeSequence> sequences, scoped ReadOnlySpan<int> ids)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        this.ReserveStep(sequences, ids);

        float* computed = null;
        var several = sequences.Length > MaxRows;
        if (several && _batchLogits.Length < sequences.Length * Shape.Vocabulary)
            _batchLogits = new float[sequences.Length * Shape.Vocabulary];
        for (var start = 0; start < sequences.Length; start += MaxRows)
        {
            var part = sequences.Slice(start, Math.Min(MaxRows, sequences.Length - start));
            part.CopyTo(_rowSequences);
            computed = Forward(ids.Slice(start, part.Length), firstLogitRow: 0);
            foreach (var sequence in part)
                sequence.Advance(1);
            if (several)
                new ReadOnlySpan<float>(computed, part.Length * Shape.Vocabulary).CopyTo(_batchLogits.AsSpan(start * Shape.Vocabulary));
        }

        var count = sequences.Length * Shape.Vocabulary;
        return several ? _batchLogits.AsSpan(0, count) : new ReadOnlySpan<float>(computed, count);
    }

    /// <inheritdoc/>
    public void Embed(scoped ReadOnlySpan<int> ids, int position, Span<float> x)
    {
        this.CheckIds(ids);
        ArgumentOutOfRangeException.ThrowIfLessThan(x.Length, ids.Length * Shape.Width, nameof(x));
        fixed (float* to = x)
        {
            for (var start = 0; start < ids.Length; start += MaxRows)
            {
                var count = Math.Min(MaxRows, ids.Length - start);
                for (var r = 0; r < count; r++)
                    (_batch.Ids[r], _batch.Positions[r]) = (ids[start + r], position + start + r);
                (_batch.Rows, _batch.Runs) = (count, 0);
                _compiled.Embed(to + (long)start * Shape.Width);
            }
        }
    }

    /// <inheritdoc/>
    public void WriteKeysAndValues(DecodeSequence sequence, int layer, int position, ReadOnlySpan<float> keys, ReadOnlySpan<float> values)
    {
        this.CheckOwned(sequence);
        fixed (float* k = keys, v = values)
            KeysAndValues(sequence, layer, position, keys.Length, k, v, write: true);
    }

    /// <inheritdoc/>
    public void ReadKeysAndValues(DecodeSequence sequence, int layer, Span<float> keys, Span<float> values)
    {
        this.CheckOwned(sequence);
        fixed (float* k = keys, v = values)
            KeysAndValues(sequence, layer, 0, keys.Length, k, v, write: false);
    }

    /// <inheritdoc/>
    public ReadOnlySpan<float> Logits(ReadOnlySpan<float> hidden)
    {
        var rows = hidden.Length / Shape.Width;
        if (rows > MaxRows && _batchLogits.Length < rows * Shape.Vocabulary)
            _batchLogits = new float[rows * Shape.Vocabulary];
        fixed (float* from = hidden)
        {
            for (var start = 0; start < rows; start += MaxRows)
            {
                (_batch.Rows, _batch.Runs) = (Math.Min(MaxRows, rows - start), 0);
                var logits = new ReadOnlySpan<float>(_compiled.Head(from + (long)start * Shape.Width), _batch.Rows * Shape.Vocabulary);
                if (rows <= MaxRows)
                    return logits;
                logits.CopyTo(_batchLogits.AsSpan(start * Shape.Vocabulary));
            }
        }

        return _batchLogits.AsSpan(0, rows * Shape.Vocabulary);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        if (_disposed)
            return;
        _disposed = true;
        foreach (var block in _storage)
            NativeMemory.AlignedFree((void*)block);
        _compiled.Dispose();
        _batch.Dispose();
    }

    /// <summary>
    /// Runs one row for each id, of the sequences in _rowSequences, each row behind the rows of its sequence before it.
    /// </summary>
    /// <returns>The logits of the rows from <paramref name="firstLogitRow"/> on, valid until the next call.</returns>
    private float* Forward(ReadOnlySpan<int> ids, int firstLogitRow)
    {
        SetRows(ids);
        return _compiled.Run(firstLogitRow);
    }

    private void SetRows(ReadOnlySpan<int> ids)
    {
        var runs = 0;
        for (var r = 0; r < ids.Length; r++)
        {
            var sequence = _rowSequences[r];
            if (r == 0 || sequence != _rowSequences[r - 1])
            {
                var numbers = sequence.Blocks;
                var blocks = _batch.Blocks + (long)runs * _batch.MaxBlocks;
                for (var b = 0; b < numbers.Length; b++)
                    blocks[b] = Storage(numbers[b]);
                _batch.RunStarts[runs++] = r;
            }

            _batch.Ids[r] = ids[r];
            _batch.Positions[r] = sequence.Length + r - _batch.RunStarts[runs - 1];
        }

        _batch.RunStarts[runs] = ids.Length;
        (_batch.Rows, _batch.Runs) = (ids.Length, runs);
    }

    /// <summary>Moves rows of keys and values between memory and the cache.</summary>
    private void KeysAndValues(DecodeSequence sequence, int layer, int position, int length, float* keys, float* values, bool write)
    {
        var rows = length / (Shape.KvHeads * Shape.HeadSize);
        for (var t = 0; t < rows; t++)
        {
            var (number, slot) = Math.DivRem(position + t, KeyValueFormat.BlockTokens);
            var block = Storage(sequence.Blocks[number]) + (long)layer * _keyValues.LayerBytes;
            for (var head = 0; head < Shape.KvHeads; head++, keys += Shape.HeadSize, values += Shape.HeadSize)
            {
                if (write)
                    _keyValues.Append(block, head, slot, keys, values);
                else
                    _keyValues.Read(block, head, slot, keys, values);
            }
        }
    }

    private byte* Storage(int number)
    {
        if (_storage[number] == 0)
        {
            var size = (nuint)_blockBytes;
            var memory = NativeMemory.AlignedAlloc(size, 64);
            NativeMemory.Clear(memory, size);
            _storage[number] = (nint)memory;
        }

        return (byte*)_storage[number];
    }
}
