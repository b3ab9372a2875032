using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Cluster.Model.Kernels;

/// <summary>
/// A number as activations store it. Kernels are written once over this interface and compute in fp32; loading widens, storing
/// rounds to nearest even. Pointers need no alignment.
/// </summary>
internal unsafe interface IElement<T>
    where T : unmanaged, IElement<T>
{
    /// <summary>The 16 elements at <paramref name="source"/> in fp32.</summary>
    static abstract Vector512<float> Load(T* source);

    /// <summary>Writes 16 elements.</summary>
    static abstract void Store(T* destination, Vector512<float> value);
}

/// <summary>IEEE single precision.</summary>
internal readonly struct Fp32 : IElement<Fp32>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe Vector512<float> Load(Fp32* source) => Vector512.Load((float*)source);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Store(Fp32* destination, Vector512<float> value) => value.Store((float*)destination);

#pragma warning disable CS0169 // Gives the struct its size; read and written through pointers only.
    private readonly float _value;
#pragma warning restore CS0169
}

/// <summary>bfloat16: the upper half of an fp32.</summary>
internal readonly struct Bf16 : IElement<Bf16>
{
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe Vector512<float> Load(Bf16* source)
    {
        var narrow = Vector256.Load((ushort*)source);
        if (Avx512F.IsSupported)
            return Vector512.ShiftLeft(Avx512F.ConvertToVector512UInt32(narrow), 16).AsSingle();
        var (lower, upper) = Vector256.Widen(narrow);
        return Vector512.ShiftLeft(Vector512.Create(lower, upper), 16).AsSingle();
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe void Store(Bf16* destination, Vector512<float> value)
    {
        var bits = value.AsUInt32();
        var odd = Vector512.ShiftRightLogical(bits, 16) & Vector512.Create(1u);
        var rounded = Vector512.ShiftRightLogical(bits + odd + Vector512.Create(0x7FFFu), 16);
        if (Avx512F.IsSupported)
            Avx512F.ConvertToVector256UInt16(rounded).Store((ushort*)destination);
        else
            Vector256.Narrow(rounded.GetLower(), rounded.GetUpper()).Store((ushort*)destination);
    }

#pragma warning disable CS0169 // Gives the struct its size; read and written through pointers only.
    private readonly ushort _bits;
#pragma warning restore CS0169
}
