// Quantised weights as panels store them, and what a processor can do with them at once. A panel holds 64 output features; a unit holds
// the codes of 8 consecutive input features for all of them. Within a unit the codes of 4 input features of one output lie together in
// 32 bits, so that a lane of a vector sums the products of one output.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Cluster.Inference.Kernels;

/// <summary>
/// Codes of 8 or 4 bits. A quad is the first or second half (0, 1) of a unit's input features; a part is 16 outputs (0 to 3) of a
/// 512-bit vector or 8 outputs (0 to 7) of a 256-bit one. Sums of products are exact whole numbers: whichever instructions compute
/// them, the bits are the same.
/// </summary>
internal unsafe interface IPanelCodes<T>
    where T : struct, IPanelCodes<T>
{
    /// <summary>Bytes of a unit.</summary>
    static abstract int UnitBytes { get; }

    /// <summary>Whether a prepared row has signs beside magnitudes.</summary>
    static abstract bool Masked { get; }

    /// <summary>Writes one code into a unit whose bytes were zero.</summary>
    static abstract void Store(byte* unit, int output, int input, int code);

    /// <summary>The code of one output and input.</summary>
    static abstract int Read(byte* unit, int output, int input);

    /// <summary>64 codes: 16 outputs × 4 inputs.</summary>
    static abstract Vector512<byte> Load512(byte* unit, int quad, int part);

    /// <summary>32 codes: 8 outputs × 4 inputs.</summary>
    static abstract Vector256<byte> Load256(byte* unit, int quad, int part);

    /// <summary>Input k (0 to 3) of each lane, signed; every step is a plain operation on 32-bit lanes.</summary>
    static abstract Vector512<int> Signed(Vector512<byte> codes, int k);

    /// <summary>sum + products of codes and a row's 4 values.</summary>
    static abstract Vector512<int> Add(Vector512<int> sum, Vector512<byte> codes, Vector512<byte> values, Vector512<byte> mask);

    /// <summary>The sums that a group's last Add leaves, in 32-bit lanes.</summary>
    static abstract Vector512<int> Finish(Vector512<int> sum);

    /// <inheritdoc cref="Add(Vector512{int}, Vector512{byte}, Vector512{byte}, Vector512{byte})"/>
    static abstract Vector256<int> Add(Vector256<int> sum, Vector256<byte> codes, Vector256<byte> values, Vector256<byte> mask);

    /// <inheritdoc cref="Finish(Vector512{int})"/>
    static abstract Vector256<int> Finish(Vector256<int> sum);

    /// <summary>What is to be added to a group's sum, from the prepared values of one row: see the implementations.</summary>
    static abstract int Correction(int negative, int total);
}

/// <summary>
/// Codes −127 to 127. x86 multiplies unsigned by signed bytes, so a row is prepared as magnitudes |x| and a mask of −1 where x is
/// negative: |x| · (w XOR mask) = x · w for x ≥ 0 and x · w − |x| otherwise, and Σ of |x| over the negative ones is what the group's sum
/// then lacks. Two such products are at most 2 · 127 · 128 = 32,512: no pair saturates in 16 bits.
/// </summary>
internal readonly struct Int8Codes : IPanelCodes<Int8Codes>
{
    public static int UnitBytes => 512;

    public static bool Masked => true;

    public static unsafe void Store(byte* unit, int output, int input, int code) => unit[Place(output, input)] = (byte)(sbyte)code;

    public static unsafe int Read(byte* unit, int output, int input) => (sbyte)unit[Place(output, input)];

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe Vector512<byte> Load512(byte* unit, int quad, int part) => Vector512.Load(unit + 256 * quad + 64 * part);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe Vector256<byte> Load256(byte* unit, int quad, int part) => Vector256.Load(unit + 256 * quad + 32 * part);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Signed(Vector512<byte> codes, int k) =>
        Vector512.ShiftRightArithmetic(k == 3 ? codes.AsInt32() : Vector512.ShiftLeft(codes.AsInt32(), 24 - 8 * k), 24);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Add(Vector512<int> sum, Vector512<byte> codes, Vector512<byte> values, Vector512<byte> mask) =>
        sum + Avx512BW.MultiplyAddAdjacent(Avx512BW.MultiplyAddAdjacent(values, (codes ^ mask).AsSByte()), Vector512<short>.One);

    public static Vector512<int> Finish(Vector512<int> sum) => sum;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add(Vector256<int> sum, Vector256<byte> codes, Vector256<byte> values, Vector256<byte> mask) => AvxVnni.IsSupported
        ? AvxVnni.MultiplyWideningAndAdd(sum, values, (codes ^ mask).AsSByte())
        : sum + Avx2.MultiplyAddAdjacent(Avx2.MultiplyAddAdjacent(values, (codes ^ mask).AsSByte()), Vector256<short>.One);

    public static Vector256<int> Finish(Vector256<int> sum) => sum;

    public static int Correction(int negative, int total) => negative;

    private static int Place(int output, int input) => 256 * (input / 4) + 4 * output + input % 4;
}

/// <summary>
/// Codes −8 to 7, stored as code + 8; the lower halves of bytes hold the first quad. A row is prepared as signed values:
/// Σ (code + 8) · x is 8 Σ x too large. In a group of 32 inputs a 16-bit lane gathers 16 products of at most 15 · 127, 30,480 in all: sums
/// are widened once a group.
/// </summary>
internal readonly struct Int4Codes : IPanelCodes<Int4Codes>
{
    public static int UnitBytes => 256;

    public static bool Masked => false;

    public static unsafe void Store(byte* unit, int output, int input, int code) =>
        unit[4 * output + input % 4] |= (byte)((code + 8) << (4 * (input / 4)));

    public static unsafe int Read(byte* unit, int output, int input) => ((unit[4 * output + input % 4] >> (4 * (input / 4))) & 15) - 8;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe Vector512<byte> Load512(byte* unit, int quad, int part)
    {
        var both = Vector512.Load(unit + 64 * part);
        return (quad == 0 ? both : Vector512.ShiftRightLogical(both.AsUInt16(), 4).AsByte()) & Vector512.Create((byte)15);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe Vector256<byte> Load256(byte* unit, int quad, int part)
    {
        var both = Vector256.Load(unit + 32 * part);
        return (quad == 0 ? both : Vector256.ShiftRightLogical(both.AsUInt16(), 4).AsByte()) & Vector256.Create((byte)15);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Signed(Vector512<byte> codes, int k) =>
        (k == 3 ? Vector512.ShiftRightLogical(codes.AsInt32(), 24) : Vector512.ShiftRightLogical(codes.AsInt32(), 8 * k) & Vector512.Create(0xFF)) - Vector512.Create(8);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Add(Vector512<int> sum, Vector512<byte> codes, Vector512<byte> values, Vector512<byte> mask) =>
        (sum.AsInt16() + Avx512BW.MultiplyAddAdjacent(codes, values.AsSByte())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<int> Finish(Vector512<int> sum) => Avx512BW.MultiplyAddAdjacent(sum.AsInt16(), Vector512<short>.One);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Add(Vector256<int> sum, Vector256<byte> codes, Vector256<byte> values, Vector256<byte> mask) => AvxVnni.IsSupported
        ? AvxVnni.MultiplyWideningAndAdd(sum, codes, values.AsSByte())
        : (sum.AsInt16() + Avx2.MultiplyAddAdjacent(codes, values.AsSByte())).AsInt32();

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<int> Finish(Vector256<int> sum) =>
        AvxVnni.IsSupported ? sum : Avx2.MultiplyAddAdjacent(sum.AsInt16(), Vector256<short>.One);

    public static int Correction(int negative, int total) => -8 * total;
}
