// A graph made ready to run: weights packed, memory laid out, a step for each node, barriers where threads need them. Enters: a graph,
// parameters, formats, and in each call the rows of a DecodeBatch. Leaves: logits, or what lies between its ends. Allocates nothing once it is made. Does not know:
// sequences, who calls.
using System.Diagnostics;
using Cluster.Inference.Graph;
using Cluster.Inference.Kernels;
using Cluster.Inference.Managed.Steps;

namespace Cluster.Inference.Managed;

internal sealed unsafe class CompiledGraph : IDisposable
{
    private readonly ModelGraph _graph;
    private readonly DecodeBatch _batch;
    private readonly int _threads;
    private readonly PackedWeights _weights;
    private readonly PlanValues _values;
    private readonly IReadOnlyDictionary<string, RowScope> _scopes;
    private readonly Dictionary<PlanBuffer, Operand> _buffers = [];
    private readonly NativeArena _memory;
    private readonly HeadPlan _heads;
    private readonly byte* _prepared;
    private readonly PlanStep[] _steps;
    private readonly Operand[] _begin;
    private readonly ThreadTeam _team;
    private readonly Operand _output, _hidden;
    private readonly int _firstNorm, _head;
    private int _wanted, _from, _to;

    /// <param name="graph">What to run.</param>
    /// <param name="parameters">The model's; not kept.</param>
    /// <param name="matrices">What makes its matrices; not kept.</param>
    /// <param name="cache">How keys and values are stored.</param>
    /// <param name="batch">The rows of each call.</param>
    /// <param name="threads">Threads, the caller's included.</param>
    public CompiledGraph(ModelGraph graph, ParameterSource parameters, MatrixSource matrices, KeyValueFormat cache, DecodeBatch batch, int threads)
    {
        (_graph, _batch, _threads) = (graph, batch, threads);
        _weights = new PackedWeights(graph, parameters, matrices);
        _values = new PlanValues(graph);
        _scopes = RowScopes.Of(graph);

        long heads = NativeArena.Align(HeadPlan.ScratchBytes(batch, cache)), prepared = PreparedPerThread;
        _memory = new NativeArena(_values.Buffers.Sum(Bytes) + threads * (heads + prepared));
        foreach (var buffer in _values.Buffers)
            _buffers.Add(buffer, new Operand((float*)_memory.Take(Bytes(buffer)), buffer.Width, buffer.Shared ? 0 : Bytes(buffer) / threads / sizeof(float)));
        _heads = new HeadPlan(batch, cache, graph.Shape.Heads, (byte*)_memory.Take(heads * threads), heads);
        _prepared = (byte*)_memory.Take(prepared * threads);
        _output = At(graph.Output);
        var nodes = graph.Nodes.Where(node => node.Op != GraphOp.Slice).ToList();
        _steps = [.. nodes.Select(Step)];
        _firstNorm = nodes.FindIndex(node => node.Op is GraphOp.Normalise or GraphOp.ResidualNorm);
        _head = nodes.FindIndex(node => node.Name == graph.Output);
        _hidden = At(nodes[_head].Inputs[0]);
        _begin = [.. nodes[_firstNorm].Inputs.Select(At)];
        _team = new ThreadTeam(threads, Work);
    }

    /// <summary>Bytes of matrices that one call reads, the head included.</summary>
    public long MatrixBytes => _weights.MatrixBytes;

    /// <summary>The nodes that are run, in order.</summary>
    public IEnumerable<string> Steps => _steps.Select(step => step.Name);

    /// <summary>Who decides whether all threads take part; null for always all.</summary>
    public ThreadChoice? Choice { get; init; }

    private long PreparedPerThread => (long)_weights.PreparedBytes * _batch.MaxRows;

    /// <summary>Computes all rows of the batch.</summary>
    /// <param name="firstWanted">The first row whose logits are wanted; as many as there are rows for none.</param>
    /// <returns>[rows from <paramref name="firstWanted"/> on, vocabulary], valid until the next call.</returns>
    public float* Run(int firstWanted)
    {
        Run(firstWanted, 0, _steps.Length);
        return _output.Row(0, firstWanted);
    }

    /// <summary>Computes all rows of the batch but for the head.</summary>
    /// <returns>[rows, width]: the final norm's output, valid until the next call.</returns>
    public float* Hidden()
    {
        Run(0, 0, _head);
        return _hidden.Row(0, 0);
    }

    /// <summary>Computes where the rows' residual stream begins: embedding and position.</summary>
    /// <param name="x">Receives [rows, width].</param>
    public void Embed(float* x)
    {
        Run(0, 0, _firstNorm);
        var width = _graph.Shape.Width;
        for (var r = 0; r < _batch.Rows; r++, x += width)
        {
            // A norm that takes a sum along has its two parts before it.
            if (_begin.Length == 2)
                DecodeKernels.Add(_begin[0].Row(0, r), _begin[1].Row(0, r), x, width);
            else
                new ReadOnlySpan<float>(_begin[0].Row(0, r), width).CopyTo(new Span<float>(x, width));
        }
    }

    /// <summary>The head alone.</summary>
    /// <param name="hidden">[rows of the batch, width], out of the final norm.</param>
    /// <returns>[rows, vocabulary], valid until the next call.</returns>
    public float* Head(float* hidden)
    {
        var width = _graph.Shape.Width;
        for (var r = 0; r < _batch.Rows; r++)
        {
            for (var thread = 0; thread < _threads; thread++)
                new ReadOnlySpan<float>(hidden + (long)r * width, width).CopyTo(new Span<float>(_hidden.Row(thread, r), width));
        }

        Run(0, _head, _steps.Length);
        return _output.Row(0, 0);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _team.Dispose();
        _memory.Dispose();
        _weights.Dispose();
    }

    private void Run(int firstWanted, int from, int to)
    {
        (_wanted, _from, _to) = (firstWanted, from, to);
        var whole = to - from == _steps.Length;
        var alone = _threads > 1 && whole && Choice?.Alone(_batch.Rows) == true;
        _batch.Threads = alone ? 1 : _threads;
        var start = Stopwatch.GetTimestamp();
        _team.Run(alone);
        if (whole)
            Choice?.Took(_batch.Rows, alone, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private void Work(int thread)
    {
        var (rows, wanted) = (_batch.Rows, _wanted);
        foreach (var step in _steps.AsSpan(_from, _to - _from))
        {
            // A step that is left out keeps its barrier: later ones may count on it.
            if (step.Barrier)
                _team.Barrier(thread);
            var first = step.Scope == RowScope.All ? 0 : wanted;
            if (first < rows || step.Scope == RowScope.CacheOfAll)
                step.Run(thread, first, rows);
        }
    }

    private PlanStep Step(GraphNode node)
    {
        var (name, barrier, scope) = (node.Name, _values.Barrier(node.Name), _scopes[node.Name]);
        var (shape, width) = (_graph.Shape, node.Width);
        // A line of scores has room for whole blocks.
        var line = _batch.MaxBlocks * KeyValueFormat.BlockTokens;
        Operand Input(int i) => At(node.Inputs[i]);
        float* weight = _weights.Weight(name), bias = _weights.Bias(name);
        switch (node.Op)
        {
            case GraphOp.Embedding when _weights.Table(name) is { } table:
                return new QuantizedTableStep(table, _batch.Ids, At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.Embedding:
                return new TableStep(weight, width, _batch.Ids, At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.PositionRow:
                return new TableStep(weight, width, _batch.Positions, At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.SinusoidalPosition or GraphOp.RotaryAngles:
                return new PositionStep(node.Op == GraphOp.RotaryAngles, width, _batch.Positions, At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.Add or GraphOp.Multiply:
                return new BinaryStep(node.Op == GraphOp.Multiply, width, Input(0), Input(1), At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.Gain or GraphOp.Bias:
                return new VectorStep(node.Op == GraphOp.Gain, width, Input(0), weight, At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.Scale when node.Heads > 0:
                return new ScoreRowsStep(_heads, softmax: false, node.Factor, line, Input(0), At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.Scale:
                return new ScaleStep(width, node.Factor, Input(0), At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.Gelu or GraphOp.Silu:
                return new ActivationStep(node.Op == GraphOp.Gelu, width, Input(0), At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.Normalise:
                return new NormaliseStep(shape.Norm, width, Input(0), weight, bias, At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.ResidualNorm:
                return new ResidualNormStep(shape.Norm, width, Input(0), Input(1), At(GraphNode.SumOf(name)), weight, bias, At(name))
                {
                    Name = name,
                    Barrier = barrier,
                    Scope = scope,
                };
            case GraphOp.Product:
                var matrix = _weights.Matrix(name);
                var outputs = node.Activation == ProductActivation.Swiglu ? At(_values.Scratch(name)) : At(name);
                return new ProductStep(matrix, bias, node.Activation, _batch, Input(0), matrix.PreparedBytes > 0 ? _prepared : null, PreparedPerThread, outputs, At(name))
                {
                    Name = name,
                    Barrier = barrier,
                    Scope = scope,
                };
            case GraphOp.Rotate:
                return new RotateStep(node.Heads, shape.HeadSize, Input(0), Input(1), At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.Append:
                return new AppendStep(_heads, node.Layer, Input(0), Input(1)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.Scores:
                return new ScoresStep(_heads, node.Layer, line, Input(0), At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.Softmax:
                return new ScoreRowsStep(_heads, softmax: true, 1, line, Input(0), At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.WeightedSum:
                return new WeightedSumStep(_heads, node.Layer, line, Input(0), At(name)) { Name = name, Barrier = barrier, Scope = scope };
            case GraphOp.Attention:
                return new AttentionStep(_heads, node.Layer, node.Factor, Input(0), Input(1), Input(2), node.Inputs.Count > 3 ? Input(3) : null, At(name))
                {
                    Name = name,
                    Barrier = barrier,
                    Scope = scope,
                };
            default:
                throw new ArgumentOutOfRangeException(nameof(node), node.Op, null);
        }
    }

    private Operand At(string value) => At(_values.Find(value)!.Value);

    private Operand At(PlanPlace place) => _buffers[place.Buffer].From(place.Offset);

    private long Bytes(PlanBuffer buffer) => NativeArena.Align((long)buffer.Width * _batch.MaxRows * sizeof(float)) * (buffer.Shared ? 1 : _threads);
}
