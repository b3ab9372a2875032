// Which program computes a model here. Enters: weights, a wish. Leaves: a backend. Does not know: runs, checkpoints, who asks.
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Inference.Backends;
using Cluster.Inference.Managed;
using Cluster.Model.Runtime;
using TorchSharp;

namespace Cluster.Model.Decode;

/// <summary>What is to compute a model.</summary>
public enum DecodeBackendKind
{
    /// <summary>
    /// The fastest that there is: tensors on CUDA; else managed decode with Torch's products for prompts, where the weights are bf16 and
    /// the processor multiplies bf16; else managed kernels alone.
    /// </summary>
    Auto,

    /// <summary>Managed kernels alone.</summary>
    Managed,

    /// <summary>Torch's tensors alone, on CUDA or the CPU.</summary>
    Torch,
}

/// <summary>Makes backends.</summary>
public static class DecodeBackends
{
    /// <summary>A model ready to compute; the caller's to dispose of.</summary>
    /// <param name="kind">What is to compute it. Replies of different kinds differ in their last bits.</param>
    /// <param name="layout">The model's shape and where its parameters lie.</param>
    /// <param name="parameters">The flat vector; copied.</param>
    /// <param name="precision">How weights are stored.</param>
    /// <param name="cacheTokens">Tokens that the cache has room for, all sequences together; 0 for 16 sequences of full length.</param>
    /// <param name="threads">Most threads of managed kernels; they change no bit.</param>
    /// <exception cref="UserErrorException"><see cref="DecodeBackendKind.Torch"/> was asked for and its natives do not load.</exception>
    public static IDecodeBackend Create(
        DecodeBackendKind kind, ParameterLayout layout, ReadOnlySpan<float> parameters, DecodePrecision precision, int cacheTokens = 0,
        int threads = 1)
    {
        var operands = precision == DecodePrecision.Bf16 ? Precision.Bf16 : Precision.Fp32;
        if (kind == DecodeBackendKind.Torch || kind == DecodeBackendKind.Auto && HasCuda())
            return new TorchDecoder(layout, parameters, operands, cacheTokens);
        var managed = new ManagedDecoder(layout, parameters, precision, cacheTokens, threads);
        // In fp32 the managed kernels are as fast as any here, and rows of prompts need no second copy of the weights.
        if (kind == DecodeBackendKind.Managed || precision != DecodePrecision.Bf16 || MachineCalibration.BestPrecision != Precision.Bf16 || !HasTorch())
            return managed;
        // Longer than any prompt: the second copy would never be read.
        return layout.Shape.MaxContext <= TorchPrefillDecoder.DefaultChunk ? managed : new TorchPrefillDecoder(managed, layout, parameters, operands);
    }

    // The library is not loaded just to learn that it has no such half.
    private static bool HasCuda() => HasCudaNatives() && HasTorch() && torch.cuda.is_available();

    private static bool HasCudaNatives() => ((string[])[AppContext.BaseDirectory, Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native")])
        .Any(folder => File.Exists(Path.Combine(folder, "libtorch_cuda.so")));

    private static bool HasTorch()
    {
        try
        {
            TorchRuntime.EnsureLoaded();
            return true;
        }
        catch (UserErrorException)
        {
            return false;
        }
    }
}
