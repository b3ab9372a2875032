using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Cluster.Inference.Kernels;

/// <summary>
/// A weight as panels store it. A panel holds 64 output features; one input feature's 64 weights lie together (a line). Reading
/// widens to fp32.
/// </summary>
internal unsafe interface IPanelWeight<T>
    where T : unmanaged, IPanelWeight<T>
{
    /// <summary>Output features 16 · part to 16 · part + 15 of a line; part is 0 to 3, a constant where it is called.</summary>
    static abstract Vector512<float> Load(T* line, int part);

    /// <summary>Writes a line from 64 fp32 weights.</summary>
    static abstract void Store(T* line, ReadOnlySpan<float> weights);
}

/// <summary>IEEE single precision, in order.</summary>
internal readonly struct Fp32Weight : IPanelWeight<Fp32Weight>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe Vector512<float> Load(Fp32Weight* line, int part) => Vector512.Load((float*)line + 16 * part);

    public static unsafe void Store(Fp32Weight* line, ReadOnlySpan<float> weights) => weights.CopyTo(new Span<float>(line, weights.Length));

#pragma warning disable CS0169 // Gives the struct its size; read and written through pointers only.
    private readonly float _value;
#pragma warning restore CS0169
}

/// <summary>
/// bfloat16, the upper half of an fp32. Features f and f + 16 share a 32-bit word, so that one shift or one mask widens 16 of them
/// without moving anything across lanes.
/// </summary>
internal readonly struct Bf16Weight : IPanelWeight<Bf16Weight>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe Vector512<float> Load(Bf16Weight* line, int part)
    {
        var words = Vector512.Load((uint*)line + 16 * (part / 2));
        return (part % 2 == 0 ? Vector512.ShiftLeft(words, 16) : words & Vector512.Create(0xFFFF0000u)).AsSingle();
    }

    public static unsafe void Store(Bf16Weight* line, ReadOnlySpan<float> weights)
    {
        var words = (uint*)line;
        for (var f = 0; f < weights.Length; f += 32)
        {
            for (var i = 0; i < 16; i++)
                *words++ = Round(weights[f + i]) | (Round(weights[f + i + 16]) << 16);
        }
    }

    /// <summary>The upper half of the nearest bfloat16, ties to even.</summary>
    private static uint Round(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return (bits + 0x7FFF + ((bits >> 16) & 1)) >> 16;
    }

#pragma warning disable CS0169 // Gives the struct its size; read and written through pointers only.
    private readonly ushort _bits;
#pragma warning restore CS0169
}
