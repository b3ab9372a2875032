// Keys and values in fewer bits than fp32. The layout is that of Fp32KeyValues, each head's scales after its values where a format has
// them; sums are fp32, in the same order.
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Cluster.Inference.Quantization;

namespace Cluster.Inference.Kernels;

/// <summary>An element of a key or value, and whether a token's elements of one head share a scale.</summary>
internal unsafe interface IKeyValueElement<T>
    where T : unmanaged, IKeyValueElement<T>
{
    static abstract bool Scaled { get; }

    /// <summary>16 elements, widened and not scaled.</summary>
    static abstract Vector512<float> Load(T* elements);

    /// <summary>The nearest element.</summary>
    /// <param name="value">In units of the scale, if the format has one.</param>
    static abstract T Of(float value);
}

/// <summary>bfloat16, nearest even.</summary>
internal readonly struct Bf16Element(ushort bits) : IKeyValueElement<Bf16Element>
{
#pragma warning disable IDE0052 // Gives the struct its size; read through pointers only.
    private readonly ushort _bits = bits;
#pragma warning restore IDE0052

    public static bool Scaled => false;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe Vector512<float> Load(Bf16Element* elements) => BFloat16.Widen((ushort*)elements);

    public static Bf16Element Of(float value) => new(BFloat16.Round(value));
}

/// <summary>A code, −127 to 127.</summary>
internal readonly struct Int8Element(sbyte code) : IKeyValueElement<Int8Element>
{
#pragma warning disable IDE0052 // Gives the struct its size; read through pointers only.
    private readonly sbyte _code = code;
#pragma warning restore IDE0052

    public static bool Scaled => true;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static unsafe Vector512<float> Load(Int8Element* elements)
    {
        var codes = Vector128.Load((sbyte*)elements);
        if (Avx512F.IsSupported)
            return Vector512.ConvertToSingle(Avx512F.ConvertToVector512Int32(codes));
        Vector128<short> low = Vector128.WidenLower(codes), high = Vector128.WidenUpper(codes);
        return Vector512.ConvertToSingle(Vector512.Create(
            Vector256.Create(Vector128.WidenLower(low), Vector128.WidenUpper(low)), Vector256.Create(Vector128.WidenLower(high), Vector128.WidenUpper(high))));
    }

    public static Int8Element Of(float value) => new((sbyte)Math.Clamp(MathF.Round(value), -127f, 127f));
}

/// <inheritdoc cref="IKeyValueElement{T}"/>
internal sealed unsafe class NarrowKeyValues<T>(int kvHeads, int headSize) : KeyValueFormat(kvHeads, headSize)
    where T : unmanaged, IKeyValueElement<T>
{
    /// <inheritdoc/>
    public override int LayerBytes => checked(KvHeads * HeadBytes);

    private int ValuesAt => BlockTokens * HeadSize * sizeof(T);

    // Of the keys of 16 tokens, then of their values.
    private int ScalesAt => ValuesAt + BlockTokens * PaddedHeadSize * sizeof(T);

    private int HeadBytes => (ScalesAt + (T.Scaled ? 2 * BlockTokens * sizeof(float) : 0) + 63) / 64 * 64;

    /// <inheritdoc/>
    public override void Append(byte* block, int head, int slot, float* key, float* value)
    {
        block += (long)head * HeadBytes;
        var scales = (float*)(block + ScalesAt) + slot;
        var inverse = Scale(key, scales);
        for (var d = 0; d < HeadSize; d++)
            ((T*)block)[d * BlockTokens + slot] = T.Of(key[d] * inverse);
        inverse = Scale(value, scales + BlockTokens);
        var values = (T*)(block + ValuesAt) + slot * PaddedHeadSize;
        for (var d = 0; d < HeadSize; d++)
            values[d] = T.Of(value[d] * inverse);
    }

    /// <inheritdoc/>
    public override void Read(byte* block, int head, int slot, float* key, float* value)
    {
        block += (long)head * HeadBytes;
        var scales = (float*)(block + ScalesAt) + slot;
        var (keyScale, valueScale) = T.Scaled ? (scales[0], scales[BlockTokens]) : (1f, 1f);
        var values = (T*)(block + ValuesAt) + slot * PaddedHeadSize;
        for (var d = 0; d < HeadSize; d++)
        {
            key[d] = T.Load((T*)block + d * BlockTokens)[slot] * keyScale;
            value[d] = T.Load(values + d / Lanes * Lanes)[d % Lanes] * valueScale;
        }
    }

    /// <inheritdoc/>
    public override void Scores(float* query, byte** blocks, int head, int seen, float* scores)
    {
        var offset = (long)head * HeadBytes;
        var count = (seen + BlockTokens - 1) / BlockTokens;
        var block = 0;
        for (; block + 4 <= count; block += 4)
        {
            byte* b0 = blocks[block] + offset, b1 = blocks[block + 1] + offset, b2 = blocks[block + 2] + offset, b3 = blocks[block + 3] + offset;
            Vector512<float> s0 = default, s1 = default, s2 = default, s3 = default;
            for (var d = 0; d < HeadSize; d++)
            {
                var q = Vector512.Create(query[d]);
                s0 = Vector512.FusedMultiplyAdd(q, T.Load((T*)b0 + d * Lanes), s0);
                s1 = Vector512.FusedMultiplyAdd(q, T.Load((T*)b1 + d * Lanes), s1);
                s2 = Vector512.FusedMultiplyAdd(q, T.Load((T*)b2 + d * Lanes), s2);
                s3 = Vector512.FusedMultiplyAdd(q, T.Load((T*)b3 + d * Lanes), s3);
            }

            var to = scores + block * Lanes;
            Scale(s0, b0).Store(to);
            Scale(s1, b1).Store(to + Lanes);
            Scale(s2, b2).Store(to + 2 * Lanes);
            Scale(s3, b3).Store(to + 3 * Lanes);
        }

        for (; block < count; block++)
        {
            var b = blocks[block] + offset;
            Vector512<float> sum = default;
            for (var d = 0; d < HeadSize; d++)
                sum = Vector512.FusedMultiplyAdd(Vector512.Create(query[d]), T.Load((T*)b + d * Lanes), sum);
            Scale(sum, b).Store(scores + block * Lanes);
        }

        // A block that another sequence used before holds that one's keys past the end of this one.
        for (var t = seen; t < count * BlockTokens; t++)
            scores[t] = float.NegativeInfinity;
    }

    /// <summary>In four chains over the tokens t mod 4.</summary>
    public override void WeightedValues(float* weights, byte** blocks, int head, int seen, float factor, float* output)
    {
        var offset = (long)head * HeadBytes;
        for (var column = 0; column < PaddedHeadSize; column += Lanes)
        {
            Vector512<float> a0 = default, a1 = default, a2 = default, a3 = default;
            var t = 0;
            for (; t + 4 <= seen; t += 4)
            {
                var block = blocks[t / BlockTokens] + offset;
                var slot = t % BlockTokens;
                var v = (T*)(block + ValuesAt) + slot * PaddedHeadSize + column;
                a0 = Vector512.FusedMultiplyAdd(Weight(weights[t], block, slot), T.Load(v), a0);
                a1 = Vector512.FusedMultiplyAdd(Weight(weights[t + 1], block, slot + 1), T.Load(v + PaddedHeadSize), a1);
                a2 = Vector512.FusedMultiplyAdd(Weight(weights[t + 2], block, slot + 2), T.Load(v + 2 * PaddedHeadSize), a2);
                a3 = Vector512.FusedMultiplyAdd(Weight(weights[t + 3], block, slot + 3), T.Load(v + 3 * PaddedHeadSize), a3);
            }

            if (t < seen)
            {
                var block = blocks[t / BlockTokens] + offset;
                var slot = t % BlockTokens;
                var v = (T*)(block + ValuesAt) + slot * PaddedHeadSize + column;
                a0 = Vector512.FusedMultiplyAdd(Weight(weights[t], block, slot), T.Load(v), a0);
                if (t + 1 < seen)
                    a1 = Vector512.FusedMultiplyAdd(Weight(weights[t + 1], block, slot + 1), T.Load(v + PaddedHeadSize), a1);
                if (t + 2 < seen)
                    a2 = Vector512.FusedMultiplyAdd(Weight(weights[t + 2], block, slot + 2), T.Load(v + 2 * PaddedHeadSize), a2);
            }

            (((a0 + a1) + (a2 + a3)) * Vector512.Create(factor)).Store(output + column);
        }
    }

    /// <summary>Writes the scale of a token's elements; returns what they are multiplied by.</summary>
    private float Scale(float* values, float* scale)
    {
        if (!T.Scaled)
            return 1;
        var top = 0f;
        for (var d = 0; d < HeadSize; d++)
            top = MathF.Max(top, MathF.Abs(values[d]));
        // So small that its inverse may not be finite: zero.
        *scale = top < 1e-30f ? 0 : top / 127;
        return top < 1e-30f ? 0 : 127 / top;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector512<float> Scale(Vector512<float> scores, byte* block) => T.Scaled ? scores * Vector512.Load((float*)(block + ScalesAt)) : scores;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private Vector512<float> Weight(float weight, byte* block, int slot) =>
        Vector512.Create(T.Scaled ? weight * ((float*)(block + ScalesAt))[BlockTokens + slot] : weight);
}
