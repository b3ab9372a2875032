using Cluster.Contracts.Training;
using Cluster.Core.Models;
using Cluster.Inference.Generation;
using Cluster.Inference.Managed;
using Cluster.Inference.Sampling;

namespace Cluster.Silo.Training;

/// <summary>Lets weights in training write something, on the calling thread. Ids in, ids out: a replica has no tokenizer.</summary>
internal static class Sampling
{
    /// <summary>The ids that follow the prompt, drawn with a fixed seed.</summary>
    /// <exception cref="Core.Errors.UserErrorException">The prompt does not fit into the context.</exception>
    public static int[] Write(ParameterLayout layout, float[] parameters, SampleRequest request)
    {
        using var decoder = new ManagedDecoder(layout, parameters, DecodePrecision.Fp32, layout.Shape.MaxContext);
        using var generator = new Generator(decoder, new Wordless(layout.Shape.Vocabulary));
        var options = new GenerationOptions { MaxTokens = request.MaxTokens, Temperature = 0.7, TopK = 40, StopTokens = request.StopTokens };
        return [.. generator.Complete(request.Prompt, options).Ids];
    }

    private sealed class Wordless(int count) : ITokenText
    {
        public int Count => count;

        public ReadOnlySpan<byte> Bytes(int id) => [];
    }
}
