// Enters: a shape and where its parameters lie. Leaves: the model as its formulas are written, one node for each operation.
// Does not know: what is fast.
using Cluster.Core.Models;

namespace Cluster.Inference.Graph;

/// <summary>The model in naive form.</summary>
public static class GraphBuilder
{
    /// <summary>
    /// Embedding and positions; in each block norm, query, key and value, attention in its parts, output, residual, norm, feed-forward in its
    /// parts, residual; norm and head.
    /// </summary>
    public static ModelGraph Build(ParameterLayout layout) => new Builder(layout).Build();

    private sealed class Builder(ParameterLayout layout)
    {
        private readonly ModelShape _shape = layout.Shape;
        private readonly List<GraphNode> _nodes = [];

        public ModelGraph Build()
        {
            var width = _shape.Width;
            var x = Add(new("embedding", GraphOp.Embedding, width) { Inputs = [ModelGraph.Ids], Weight = Of("token_embedding.weight") });
            if (_shape.EmbeddingScale != 1)
                x = Add(new("embedding.scale", GraphOp.Scale, width) { Inputs = [x], Factor = _shape.EmbeddingScale });
            string? angles = null;
            switch (_shape.Positions)
            {
                case PositionEncoding.Sinusoidal:
                    x = Plus("position.add", x, Add(new("position", GraphOp.SinusoidalPosition, width) { Inputs = [ModelGraph.Positions] }));
                    break;
                case PositionEncoding.Learned:
                    x = Plus("position.add", x, Add(new("position", GraphOp.PositionRow, width)
                    {
                        Inputs = [ModelGraph.Positions],
                        Weight = Of("position_embedding.weight"),
                    }));
                    break;
                default:
                    angles = Add(new("angles", GraphOp.RotaryAngles, _shape.HeadSize) { Inputs = [ModelGraph.Positions] });
                    break;
            }

            for (var layer = 0; layer < _shape.Layers; layer++)
            {
                var block = $"blocks.{layer}.";
                var attended = Attention(layer, block + "attention", Norm(block + "attention_norm", x), angles);
                x = Plus(block + "attention.residual", x, Product(block + "attention.output", attended, block + "attention.output"));
                var fed = FeedForward(block + "feed_forward", Norm(block + "feed_forward_norm", x));
                x = Plus(block + "feed_forward.residual", x, fed);
            }

            var head = Add(new("head", GraphOp.Product, _shape.Vocabulary)
            {
                Inputs = [Norm("final_norm", x)],
                Weight = Of(_shape.TiedHead ? "token_embedding.weight" : "head.weight"),
            });
            return new ModelGraph(_shape, _nodes, head).Checked();
        }

        private string Attention(int layer, string name, string x, string? angles)
        {
            int query = _shape.Heads * _shape.HeadSize, keyValue = _shape.KvHeads * _shape.HeadSize, scores = _shape.Heads * ((_shape.MaxContext + 15) / 16 * 16);
            var q = Product(name + ".query", x, name + ".qkv", 0, query);
            var k = Product(name + ".key", x, name + ".qkv", query, keyValue);
            var v = Product(name + ".value", x, name + ".qkv", query + keyValue, keyValue);
            if (angles is not null)
            {
                q = Add(new(name + ".query.rotated", GraphOp.Rotate, query) { Inputs = [q, angles], Heads = _shape.Heads });
                k = Add(new(name + ".key.rotated", GraphOp.Rotate, keyValue) { Inputs = [k, angles], Heads = _shape.KvHeads });
            }

            var cache = Add(new(name + ".cache", GraphOp.Append, 2 * keyValue) { Inputs = [k, v], Layer = layer });
            var s = Add(new(name + ".scores", GraphOp.Scores, scores) { Inputs = [q, cache], Heads = _shape.Heads, Layer = layer });
            s = Add(new(name + ".scale", GraphOp.Scale, scores) { Inputs = [s], Heads = _shape.Heads, Factor = 1f / MathF.Sqrt(_shape.HeadSize) });
            s = Add(new(name + ".softmax", GraphOp.Softmax, scores) { Inputs = [s], Heads = _shape.Heads });
            return Add(new(name + ".mix", GraphOp.WeightedSum, query) { Inputs = [s, cache], Heads = _shape.Heads, Layer = layer });
        }

        private string FeedForward(string name, string x)
        {
            var hidden = _shape.FeedForward;
            string h;
            if (_shape.Activation == Activation.Swiglu)
            {
                var gate = Product(name + ".gate", x, name + ".up", 0, hidden);
                gate = Add(new(name + ".silu", GraphOp.Silu, hidden) { Inputs = [gate] });
                var up = Product(name + ".up", x, name + ".up", hidden, hidden);
                h = Add(new(name + ".gated", GraphOp.Multiply, hidden) { Inputs = [gate, up] });
            }
            else
            {
                h = Add(new(name + ".gelu", GraphOp.Gelu, hidden) { Inputs = [Product(name + ".up", x, name + ".up")] });
            }

            return Product(name + ".down", h, name + ".down");
        }

        private string Norm(string name, string x)
        {
            x = Add(new(name + ".unit", GraphOp.Normalise, _shape.Width) { Inputs = [x] });
            x = Add(new(name + ".gain", GraphOp.Gain, _shape.Width) { Inputs = [x], Weight = Of(name + ".gain") });
            return layout.Find(name + ".bias") is { } bias ? Biased(name + ".bias", x, GraphWeight.Of(bias)) : x;
        }

        /// <summary>Some rows of a parameter (all where count is 0) times x, and its bias where the shape has one.</summary>
        private string Product(string name, string x, string parameter, int first = 0, int count = 0)
        {
            var weight = layout[parameter + ".weight"];
            count = count == 0 ? weight.Rows : count;
            var y = Add(new(name, GraphOp.Product, count) { Inputs = [x], Weight = GraphWeight.Of(weight, first, count) });
            return layout.Find(parameter + ".bias") is { } bias ? Biased(name + ".bias", y, GraphWeight.Of(bias, first, count)) : y;
        }

        private string Biased(string name, string x, GraphWeight bias) => Add(new(name, GraphOp.Bias, bias.Columns) { Inputs = [x], Weight = bias });

        private string Plus(string name, string a, string b) => Add(new(name, GraphOp.Add, _shape.Width) { Inputs = [a, b] });

        private GraphWeight Of(string name) => GraphWeight.Of(layout[name]);

        private string Add(GraphNode node)
        {
            _nodes.Add(node);
            return node.Name;
        }
    }
}
