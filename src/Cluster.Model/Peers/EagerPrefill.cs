// A prompt through the eager library's own operations, as a straightforward program computes it: what prefill's speed is measured against
// on the same machine. Enters: ids. Leaves: the last token's logits. Keeps keys and values as such a program would, and forgets them.
// Shapes: T tokens, C width, H heads, D head size, V vocabulary.
using Cluster.Core.Models;
using Cluster.Model.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Cluster.Model.Peers;

/// <summary>
/// Learned positions, LayerNorm without biases, GELU, a tied head; weights and activations of one type, cast beforehand, attention by the
/// library's fused operation. One thread at a time; that thread is the caller's.
/// </summary>
public sealed class EagerPrefill : IDisposable
{
    private readonly ModelShape _shape;
    private readonly Dictionary<string, Tensor> _parameters = new(StringComparer.Ordinal);

    /// <param name="layout">The model's shape and where its parameters lie.</param>
    /// <param name="parameters">The flat vector.</param>
    /// <param name="precision">Of everything.</param>
    /// <param name="threads">Of every operation.</param>
    /// <exception cref="ArgumentException">The shape has something that this model has not.</exception>
    public EagerPrefill(ParameterLayout layout, ReadOnlySpan<float> parameters, Precision precision, int threads)
    {
        TorchRuntime.EnsureLoaded();
        TorchRuntime.SetThreads(threads);
        set_grad_enabled(false);
        _shape = layout.Shape;
        if (_shape is not { Activation: Activation.Gelu, Norm: Normalization.LayerNorm, Positions: PositionEncoding.Learned, Biases: false, TiedHead: true }
            || _shape.KvHeads != _shape.Heads)
            throw new ArgumentException("GELU, LayerNorm, learned positions, a tied head, as many heads of keys as of queries and no biases are needed", nameof(layout));
        var type = precision == Precision.Bf16 ? ScalarType.BFloat16 : ScalarType.Float32;
        using var scope = NewDisposeScope();
        foreach (var p in layout.Parameters)
        {
            var values = parameters.Slice(checked((int)p.Offset), checked((int)p.Count)).ToArray();
            _parameters.Add(p.Name, tensor(values, dtype: ScalarType.Float32).reshape(p.Shape).to(type).DetachFromDisposeScope());
        }
    }

    /// <summary>The logits after a prompt's last token.</summary>
    public float[] Run(int[] ids)
    {
        using var scope = NewDisposeScope();
        var x_TC = _parameters["token_embedding.weight"].index_select(0, tensor(ids, dtype: ScalarType.Int64))
            .Plus(_parameters["position_embedding.weight"].narrow(0, 0, ids.Length));
        for (var i = 0; i < _shape.Layers; i++)
        {
            x_TC = x_TC.Plus(Attention(Norm(x_TC, $"blocks.{i}.attention_norm.gain"), i));
            var up = nn.functional.linear(Norm(x_TC, $"blocks.{i}.feed_forward_norm.gain"), _parameters[$"blocks.{i}.feed_forward.up.weight"]);
            x_TC = x_TC.Plus(nn.functional.linear(nn.functional.gelu(up), _parameters[$"blocks.{i}.feed_forward.down.weight"]));
        }

        var last_1C = Norm(x_TC.narrow(0, ids.Length - 1, 1), "final_norm.gain");
        return nn.functional.linear(last_1C, _parameters["token_embedding.weight"]).to(ScalarType.Float32).data<float>().ToArray();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var parameter in _parameters.Values)
            parameter.Dispose();
    }

    private Tensor Attention(Tensor x_TC, int layer)
    {
        var tokens = x_TC.shape[0];
        var heads = nn.functional.linear(x_TC, _parameters[$"blocks.{layer}.attention.qkv.weight"])
            .view(1, tokens, 3, _shape.Heads, _shape.HeadSize).permute(2, 0, 3, 1, 4).unbind(0);
        var attended_1HTD = nn.functional.scaled_dot_product_attention(heads[0], heads[1], heads[2], is_casual: true);
        return nn.functional.linear(attended_1HTD.transpose(1, 2).reshape(tokens, -1), _parameters[$"blocks.{layer}.attention.output.weight"]);
    }

    private Tensor Norm(Tensor x_TC, string gain) => nn.functional.layer_norm(x_TC, [_shape.Width], _parameters[gain], null, ModelShape.NormEpsilon);
}
