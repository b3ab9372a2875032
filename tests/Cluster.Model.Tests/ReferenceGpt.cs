using Cluster.Core.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Cluster.Model.Tests;

/// <summary>
/// The model a second time, in float64 with Torch's autograd and none of the engine's code: what the engine's losses, logits and
/// gradients are compared with.
/// </summary>
internal sealed class ReferenceGpt
{
    private readonly ModelShape _shape;
    private readonly ParameterLayout _layout;
    private readonly Dictionary<string, Tensor> _parameters = new(StringComparer.Ordinal);

    public ReferenceGpt(ParameterLayout layout, ReadOnlySpan<float> parameters)
    {
        (_layout, _shape) = (layout, layout.Shape);
        foreach (var p in layout.Parameters)
        {
            var values = parameters.Slice((int)p.Offset, (int)p.Count).ToArray();
            _parameters[p.Name] = tensor(values, dtype: float64).reshape(p.Shape).requires_grad_();
        }
    }

    /// <summary>Logits [B, T, V].</summary>
    public Tensor Logits(int[] tokens, int context)
    {
        var ids_BT = tensor(tokens.Select(t => (long)t).ToArray()).reshape(-1, context);
        long batch = ids_BT.shape[0];
        var x_BTC = _parameters["token_embedding.weight"].index_select(0, ids_BT.reshape(-1)).reshape(batch, context, -1) * (double)_shape.EmbeddingScale;
        if (_shape.Positions == PositionEncoding.Learned)
            x_BTC = x_BTC + _parameters["position_embedding.weight"].narrow(0, 0, context);
        else if (_shape.Positions == PositionEncoding.Sinusoidal)
            x_BTC = x_BTC + Sinusoidal(context, _shape.Width);
        for (var i = 0; i < _shape.Layers; i++)
        {
            var h = Norm(x_BTC, $"blocks.{i}.attention_norm");
            x_BTC = x_BTC + Linear(Attention(Linear(h, $"blocks.{i}.attention.qkv"), batch, context), $"blocks.{i}.attention.output");
            h = Linear(Norm(x_BTC, $"blocks.{i}.feed_forward_norm"), $"blocks.{i}.feed_forward.up");
            if (_shape.Activation == Activation.Swiglu)
            {
                var parts = h.chunk(2, -1);
                h = nn.functional.silu(parts[0]) * parts[1];
            }
            else
            {
                h = 0.5 * h * (1 + (Math.Sqrt(2 / Math.PI) * (h + 0.044715 * h.pow(3))).tanh());
            }

            x_BTC = x_BTC + Linear(h, $"blocks.{i}.feed_forward.down");
        }

        return matmul(Norm(x_BTC, "final_norm"), _parameters[_shape.TiedHead ? "token_embedding.weight" : "head.weight"].t());
    }

    /// <summary>Σ masked losses, and its gradient as one flat vector.</summary>
    public (double Loss, double[] Gradient) LossAndGradient(int[] tokens, int[] targets, byte[] mask, int context)
    {
        using var _ = set_grad_enabled(true);
        var logits = Logits(tokens, context).reshape(-1, _shape.Vocabulary);
        var losses = nn.functional.cross_entropy(logits, tensor(targets.Select(t => (long)t).ToArray()), reduction: nn.Reduction.None);
        var loss = (losses * tensor(mask.Select(m => m == 0 ? 0.0 : 1.0).ToArray())).sum();
        loss.backward();
        var gradient = new double[_layout.TotalCount];
        foreach (var p in _layout.Parameters)
            _parameters[p.Name].grad!.reshape(-1).data<double>().ToArray().CopyTo(gradient, p.Offset);
        return (loss.item<double>(), gradient);
    }

    private Tensor Linear(Tensor x, string name)
    {
        var y = matmul(x, _parameters[name + ".weight"].t());
        return _parameters.TryGetValue(name + ".bias", out var bias) ? y + bias : y;
    }

    private Tensor Norm(Tensor x, string name)
    {
        if (_shape.Norm == Normalization.LayerNorm)
            x = x - x.mean([-1], keepdim: true);
        var y = x / (x.pow(2).mean([-1], keepdim: true) + (double)ModelShape.NormEpsilon).sqrt() * _parameters[name + ".gain"];
        return _parameters.TryGetValue(name + ".bias", out var bias) ? y + bias : y;
    }

    private Tensor Attention(Tensor qkv, long batch, long context)
    {
        long size = _shape.HeadSize;
        var q = Heads(qkv.narrow(-1, 0, _shape.Heads * size), _shape.Heads);
        var k = Heads(qkv.narrow(-1, _shape.Heads * size, _shape.KvHeads * size), _shape.KvHeads);
        var v = Heads(qkv.narrow(-1, (_shape.Heads + _shape.KvHeads) * size, _shape.KvHeads * size), _shape.KvHeads);
        if (_shape.Positions == PositionEncoding.Rotary)
            (q, k) = (Rotate(q), Rotate(k));
        k = k.repeat_interleave(_shape.Heads / _shape.KvHeads, 1);
        v = v.repeat_interleave(_shape.Heads / _shape.KvHeads, 1);
        var scores = matmul(q, k.transpose(-1, -2)) / Math.Sqrt(size);
        var future = ones(context, context, dtype: @bool).triu(1);
        var o = matmul(scores.masked_fill(future, double.NegativeInfinity).softmax(-1), v);
        return o.transpose(1, 2).reshape(batch, context, _shape.Heads * size);

        Tensor Heads(Tensor x, long heads) => x.reshape(batch, context, heads, size).transpose(1, 2);

        Tensor Rotate(Tensor x)
        {
            var half = size / 2;
            var angles = outer(arange(context, dtype: float64), pow(tensor(ModelShape.PositionBase, dtype: float64), arange(half, dtype: float64) * (-2.0 / size)));
            Tensor a = x.narrow(-1, 0, half), b = x.narrow(-1, half, half);
            return cat([a * angles.cos() - b * angles.sin(), b * angles.cos() + a * angles.sin()], -1);
        }
    }

    private static Tensor Sinusoidal(int context, int width)
    {
        var table = new float[context * width];
        SinusoidalPositions.Fill(table, width);
        return tensor(table, dtype: float64).reshape(context, width);
    }
}
