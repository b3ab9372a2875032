// The same model as an eager library's user would write it: modules' functions, autograd, an optimizer from the shelf. Not used for
// training; benchmarks set the engine beside it, on one machine and in one run.
using System.Diagnostics;
using Cluster.Core.Models;
using Cluster.Model.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Cluster.Model.Baselines;

/// <summary>An eager GPT-2-like model: GELU, learned positions, LayerNorm, tied head, no biases.</summary>
public static class EagerGpt
{
    /// <summary>Tokens per second of whole training steps: forward, backward, clipping at norm 1, AdamW.</summary>
    /// <param name="shape">GELU, learned positions, LayerNorm without biases, a tied head.</param>
    /// <param name="precision">bf16 casts the fp32 parameters in the forward pass, as autocast would; not auto.</param>
    /// <param name="sequences">Of a step, in one batch.</param>
    /// <param name="threads">Of the library.</param>
    /// <param name="steps">Timed, after two to warm up.</param>
    public static double MeasureTokensPerSecond(ModelShape shape, Precision precision, int sequences, int threads, int steps)
    {
        double rate = 0;
        // A thread of its own: the library's settings are per thread.
        var thread = new Thread(() =>
        {
            TorchRuntime.EnsureLoaded();
            TorchRuntime.SetThreads(threads);
            using var gradients = set_grad_enabled(true);
            rate = Measure(new ParameterLayout(shape), precision == Precision.Bf16 ? bfloat16 : float32, sequences, steps);
        });
        thread.Start();
        thread.Join();
        return rate;
    }

    private static double Measure(ParameterLayout layout, ScalarType type, int sequences, int steps)
    {
        using var all = NewDisposeScope();
        var values = new float[layout.TotalCount];
        ParameterInitialiser.Fill(values, layout, 1);
        var parameters = layout.Parameters.ToDictionary(p => p.Name,
            p => new TorchSharp.Modules.Parameter(tensor(values.AsSpan((int)p.Offset, (int)p.Count).ToArray()).reshape(p.Shape)), StringComparer.Ordinal);
        using var optimizer = optim.AdamW(parameters.Values, 3e-4);
        var shape = layout.Shape;
        var tokens = randint(0, shape.Vocabulary, [sequences, shape.Context + 1], int64);
        long start = 0;
        for (var step = -2; step < steps; step++)
        {
            if (step == 0)
                start = Stopwatch.GetTimestamp();
            using var scope = NewDisposeScope();
            optimizer.zero_grad();
            var logits = Forward(shape, parameters, tokens.narrow(1, 0, shape.Context), type);
            var loss = nn.functional.cross_entropy(logits.reshape(-1, shape.Vocabulary).to(float32), tokens.narrow(1, 1, shape.Context).reshape(-1));
            loss.backward();
            nn.utils.clip_grad_norm_(parameters.Values, 1.0);
            optimizer.step();
        }

        return (double)steps * sequences * shape.Context / Stopwatch.GetElapsedTime(start).TotalSeconds;
    }

    private static Tensor Forward(ModelShape shape, Dictionary<string, TorchSharp.Modules.Parameter> parameters, Tensor ids_BT, ScalarType type)
    {
        long batch = ids_BT.shape[0], context = ids_BT.shape[1], size = shape.HeadSize;
        var x = parameters["token_embedding.weight"].index_select(0, ids_BT.reshape(-1)).view(batch, context, -1) + parameters["position_embedding.weight"].narrow(0, 0, context);
        for (var i = 0; i < shape.Layers; i++)
        {
            var h = Linear(Norm(x, $"blocks.{i}.attention_norm"), $"blocks.{i}.attention.qkv");
            var parts = h.chunk(3, -1).Select(t => t.view(batch, context, shape.Heads, size).transpose(1, 2)).ToArray();
            var o = nn.functional.scaled_dot_product_attention(parts[0], parts[1], parts[2], is_casual: true);
            x = x + Linear(o.transpose(1, 2).reshape(batch, context, -1), $"blocks.{i}.attention.output");
            h = nn.functional.gelu(Linear(Norm(x, $"blocks.{i}.feed_forward_norm"), $"blocks.{i}.feed_forward.up"));
            x = x + Linear(h, $"blocks.{i}.feed_forward.down");
        }

        return nn.functional.linear(Norm(x, "final_norm"), parameters["token_embedding.weight"].to(type));

        Tensor Norm(Tensor input, string name) => nn.functional.layer_norm(input, [shape.Width], parameters[name + ".gain"]).to(type);

        Tensor Linear(Tensor input, string name) => nn.functional.linear(input, parameters[name + ".weight"].to(type));
    }
}
