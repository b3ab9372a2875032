// The transformer once more, as a straightforward program writes it: the eager library's own operations, autograd, one batch a step.
// What the engine's speed is measured against on the same machine, and a second opinion on its gradients.
// Enters: micro-batches. Leaves: losses, gradients. Does not know lanes, grains, files.
// Shapes: B sequences, T tokens of each, C width, H heads, D head size, V vocabulary.
using Cluster.Core.Models;
using Cluster.Model.Kernels;
using Cluster.Model.Optimizer;
using Cluster.Model.Runtime;
using Cluster.Model.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Cluster.Model.Peers;

/// <summary>
/// A model of eager operations with autograd on the CPU: learned positions, LayerNorm without biases, GELU, a tied head. In bf16 the fp32
/// parameters are cast within the forward pass, as autocast does, and the loss is computed in fp32. Clipping and AdamW are the engine's own
/// fused pass, which is faster than the library's. One thread at a time; that thread is the caller's.
/// </summary>
public sealed unsafe class EagerTrainer : IDisposable
{
    private readonly ModelShape _shape;
    private readonly ParameterLayout _layout;
    private readonly EngineOptions _options;
    private readonly Tensor _flat, _gradient;
    private readonly Dictionary<string, Tensor> _parameters = new(StringComparer.Ordinal);
    private readonly NativeVector _first, _second, _cast;
    private readonly ScalarType _type;

    /// <param name="options">As for <see cref="TrainingEngine"/>; threads are those of every operation.</param>
    /// <param name="seed">Decides the initial parameters, which are the engine's.</param>
    /// <exception cref="ArgumentException">The shape has something that this model has not.</exception>
    public EagerTrainer(EngineOptions options, ulong seed)
    {
        TorchRuntime.EnsureLoaded();
        TorchRuntime.SetThreads(options.Threads);
        _layout = new ParameterLayout(options.Shape);
        (_options, _shape) = (options, _layout.Shape);
        if (_shape is not { Activation: Activation.Gelu, Norm: Normalization.LayerNorm, Positions: PositionEncoding.Learned, Biases: false, TiedHead: true }
            || _shape.KvHeads != _shape.Heads)
            throw new ArgumentException("GELU, LayerNorm, learned positions, a tied head, as many heads of keys as of queries and no biases are needed", nameof(options));
        _type = options.Precision == Precision.Bf16 ? ScalarType.BFloat16 : ScalarType.Float32;
        var length = checked((int)_layout.TotalCount);
        _flat = zeros(length).DetachFromDisposeScope();
        _gradient = zeros(length).DetachFromDisposeScope();
        (_first, _second, _cast) = (new NativeVector(length), new NativeVector(length), new NativeVector(length));
        ParameterInitialiser.Fill(new Span<float>(Floats(_flat), length), _layout, seed);
        foreach (var parameter in _layout.Parameters)
        {
            var value = View(_flat, parameter).detach().requires_grad_().DetachFromDisposeScope();
            value.grad = View(_gradient, parameter);
            _parameters.Add(parameter.Name, value);
        }
    }

    /// <summary>The gradient that <see cref="Gradient"/> wrote, laid out as the engine's.</summary>
    public ReadOnlySpan<float> LastGradient => new(Floats(_gradient), (int)_layout.TotalCount);

    /// <summary>Mean loss of a batch, in nats per token, and its gradient.</summary>
    public double Gradient(MicroBatch batch)
    {
        using var scope = NewDisposeScope();
        var before = is_grad_enabled();
        set_grad_enabled(true);
        try
        {
            _gradient.zero_();
            var loss = Loss(batch);
            loss.backward();
            return loss.ToSingle();
        }
        finally
        {
            set_grad_enabled(before);
        }
    }

    /// <summary>One training step; returns the mean loss before it.</summary>
    /// <param name="batch">All tokens of the step.</param>
    /// <param name="learningRate">At least 0.</param>
    /// <param name="step">Counted from 1.</param>
    public double Step(MicroBatch batch, double learningRate, long step)
    {
        var loss = Gradient(batch);
        var norm = AdamW.Norm(LastGradient);
        var all = new AdamW.Vectors(Floats(_flat), _first.Pointer, _second.Pointer);
        AdamW.Apply(LastGradient, all, all, (Fp32*)_cast.Pointer, _layout.DecayedCount, _options.Optimizer, learningRate, norm, step);
        return loss;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var parameter in _parameters.Values)
            parameter.Dispose();
        _flat.Dispose();
        _gradient.Dispose();
        GC.KeepAlive(_cast);
    }

    private static float* Floats(Tensor flat) => (float*)Matrix<Fp32>.PointerOf(flat);

    private static Tensor View(Tensor flat, Parameter parameter) => flat.narrow(0, parameter.Offset, parameter.Count).view(parameter.Shape);

    private Tensor Loss(MicroBatch batch)
    {
        int batches = batch.Tokens.Length / batch.Context, context = batch.Context;
        var tokens_N = tensor(batch.Tokens, dtype: ScalarType.Int64);
        var targets_N = tensor(batch.Targets, dtype: ScalarType.Int64);
        var embedding_VC = Cast("token_embedding.weight");
        var x_BTC = embedding_VC.index_select(0, tokens_N).view(batches, context, -1)
            .Plus(Cast("position_embedding.weight").narrow(0, 0, context));
        for (var i = 0; i < _shape.Layers; i++)
        {
            x_BTC = x_BTC.Plus(Attention(Norm(x_BTC, $"blocks.{i}.attention_norm.gain"), i, batches, context));
            var up = nn.functional.linear(Norm(x_BTC, $"blocks.{i}.feed_forward_norm.gain"), Cast($"blocks.{i}.feed_forward.up.weight"));
            x_BTC = x_BTC.Plus(nn.functional.linear(nn.functional.gelu(up), Cast($"blocks.{i}.feed_forward.down.weight")));
        }

        var logits_NV = nn.functional.linear(Norm(x_BTC, "final_norm.gain"), embedding_VC).view(-1, _shape.Vocabulary).to(ScalarType.Float32);
        return nn.functional.cross_entropy(logits_NV, targets_N);
    }

    private Tensor Attention(Tensor x_BTC, int layer, int batches, int context)
    {
        var heads = nn.functional.linear(x_BTC, Cast($"blocks.{layer}.attention.qkv.weight")).view(batches, context, 3, _shape.Heads, _shape.HeadSize).permute(2, 0, 3, 1, 4).unbind(0);
        var attended_BHTD = nn.functional.scaled_dot_product_attention(heads[0], heads[1], heads[2], is_casual: true);
        return nn.functional.linear(attended_BHTD.transpose(1, 2).reshape(batches, context, -1), Cast($"blocks.{layer}.attention.output.weight"));
    }

    private Tensor Norm(Tensor x_BTC, string gain) =>
        nn.functional.layer_norm(x_BTC, [_shape.Width], Cast(gain), null, ModelShape.NormEpsilon);

    private Tensor Cast(string name) => _parameters[name].to(_type);
}
