// Where the values of a graph lie while it runs, and where its threads must wait for each other. Enters: the graph's nodes in order.
// Leaves: a buffer for each value, and for each node whether a barrier comes before it. Does not know: kernels, weights.
using Cluster.Inference.Graph;

namespace Cluster.Inference.Managed;

/// <summary>How threads share the work of a node.</summary>
internal enum WorkSplit
{
    /// <summary>Not at all: each computes the whole for itself.</summary>
    None,

    /// <summary>By panels of outputs.</summary>
    Panels,

    /// <summary>By runs and key-value heads.</summary>
    Heads,
}

/// <summary>Memory for values of one width, one after another. What several threads write lies there once, the rest once for each thread.</summary>
internal sealed class PlanBuffer(int width, bool shared)
{
    public int Width => width;

    public bool Shared => shared;

    /// <summary>What was done with it since the last barrier, by whom.</summary>
    public WorkSplit? Written { get; set; }

    /// <summary>As <see cref="Written"/>; None where several did it.</summary>
    public WorkSplit? Read { get; set; }
}

/// <summary>The place of a value.</summary>
/// <param name="Buffer">Its memory.</param>
/// <param name="Offset">Its first float in a row of it.</param>
internal readonly record struct PlanPlace(PlanBuffer Buffer, int Offset);

/// <summary>The places of all values, and the barriers.</summary>
internal sealed class PlanValues
{
    private readonly Dictionary<string, PlanPlace> _places = new(StringComparer.Ordinal);
    private readonly Dictionary<string, PlanPlace> _scratch = new(StringComparer.Ordinal);
    private readonly List<PlanBuffer> _buffers = [];
    private readonly HashSet<string> _barriers = new(StringComparer.Ordinal);

    /// <param name="graph">The graph.</param>
    public PlanValues(ModelGraph graph)
    {
        var lastRead = LastReads(graph);
        List<PlanBuffer> free = [], caches = [];
        var freed = new List<PlanBuffer>?[graph.Nodes.Count];
        for (var i = 0; i < graph.Nodes.Count; i++)
        {
            var node = graph.Nodes[i];
            if (node.Op == GraphOp.Slice)
            {
                var whole = _places[node.Inputs[0]];
                _places[node.Name] = whole with { Offset = whole.Offset + node.Offset };
                continue;
            }

            var split = SplitOf(node);
            List<PlanBuffer> written = [];
            if (node.Layer >= 0)
            {
                // One for each layer, whichever node writes it: a fused and a dead one may both.
                while (caches.Count <= node.Layer)
                    caches.Add(new PlanBuffer(0, shared: true));
                if (node.Op is GraphOp.Append or GraphOp.Attention)
                    written.Add(caches[node.Layer]);
            }

            foreach (var output in node.Outputs)
            {
                if (node.Op == GraphOp.Append)
                    continue;
                var place = new PlanPlace(Take(free, node.Width, split != WorkSplit.None), 0);
                if (lastRead.GetValueOrDefault(output, i) is var last && last < freed.Length)
                    (freed[last] ??= []).Add(place.Buffer);
                _places.Add(output, place);
                written.Add(place.Buffer);
            }

            if (node.Activation == ProductActivation.Swiglu)
            {
                _scratch.Add(node.Name, new PlanPlace(Take(free, node.Weight!.Rows, shared: true), 0));
                written.Add(_scratch[node.Name].Buffer);
            }

            List<PlanBuffer> read = [.. node.Inputs.Where(_places.ContainsKey).Select(input => _places[input].Buffer)];
            if (node.Op is GraphOp.Scores or GraphOp.WeightedSum)
                read.Add(caches[node.Layer]);
            if (Conflicts(read, written, split))
            {
                _barriers.Add(node.Name);
                foreach (var buffer in _buffers.Concat(caches))
                    (buffer.Written, buffer.Read) = (null, null);
            }

            foreach (var buffer in read)
                buffer.Read = buffer.Read is null || buffer.Read == split ? split : WorkSplit.None;
            foreach (var buffer in written)
                buffer.Written = split;

            // Whatever is not read any more gives its memory to the next.
            free.AddRange(freed[i] ?? []);
            if (_scratch.TryGetValue(node.Name, out var scratch))
                free.Add(scratch.Buffer);
        }
    }

    /// <summary>All memory that is needed.</summary>
    public IReadOnlyList<PlanBuffer> Buffers => _buffers;

    /// <summary>Where a value lies; null for the inputs and caches, which lie elsewhere.</summary>
    public PlanPlace? Find(string value) => _places.TryGetValue(value, out var place) ? place : null;

    /// <summary>Where a SwiGLU product puts what it computes its result of.</summary>
    public PlanPlace Scratch(string node) => _scratch[node];

    /// <summary>Whether a barrier comes before a node.</summary>
    public bool Barrier(string node) => _barriers.Contains(node);

    /// <summary>How threads share a node's work.</summary>
    public static WorkSplit SplitOf(GraphNode node) => node.Op switch
    {
        GraphOp.Product => WorkSplit.Panels,
        GraphOp.Append or GraphOp.Scores or GraphOp.Softmax or GraphOp.WeightedSum or GraphOp.Attention => WorkSplit.Heads,
        GraphOp.Scale when node.Heads > 0 => WorkSplit.Heads,
        _ => WorkSplit.None,
    };

    private PlanBuffer Take(List<PlanBuffer> free, int width, bool shared)
    {
        var found = free.FindIndex(buffer => buffer.Width == width && buffer.Shared == shared);
        if (found < 0)
        {
            _buffers.Add(new PlanBuffer(width, shared));
            return _buffers[^1];
        }

        var taken = free[found];
        free.RemoveAt(found);
        return taken;
    }

    /// <summary>
    /// A thread may read what it wrote itself, and what all threads wrote before a barrier. Steps split by heads keep to the same pairs of
    /// run and head, so they need none among them; nothing else is split alike.
    /// </summary>
    private static bool Conflicts(List<PlanBuffer> read, List<PlanBuffer> written, WorkSplit split)
    {
        return read.Any(buffer => buffer.Shared && Differs(buffer.Written))
            || written.Any(buffer => buffer.Shared && (Differs(buffer.Written) || Differs(buffer.Read)));

        bool Differs(WorkSplit? before) => before is not null && !(before == WorkSplit.Heads && split == WorkSplit.Heads);
    }

    /// <summary>The last node that reads each value, itself or through slices of it.</summary>
    private static Dictionary<string, int> LastReads(ModelGraph graph)
    {
        var last = new Dictionary<string, int>(StringComparer.Ordinal) { [graph.Output] = int.MaxValue };
        for (var i = graph.Nodes.Count - 1; i >= 0; i--)
        {
            var node = graph.Nodes[i];
            var at = node.Op == GraphOp.Slice ? last.GetValueOrDefault(node.Name, i) : i;
            foreach (var input in node.Inputs)
                last[input] = Math.Max(at, last.GetValueOrDefault(input, -1));
        }

        return last;
    }
}
