using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Cluster.Collectives.Reduction;

/// <summary>
/// Numbers in bfloat16, the upper half of an fp32, two in each word of 32 bits: number 2k in the lower half of word k. So they lie where
/// gradients of fp32 lie, in half as many words, and travel as those do; an odd number is followed by a zero.
/// Rounding is to nearest, ties to even; a NaN becomes the one quiet NaN. Every element of a vector and of a tail goes through the same
/// integer operations, so their bits are alike (determinism.md, rule 5); the processor's own conversion is not used: it flushes denormal
/// numbers to zero.
/// Enters: fp32, or words. Leaves: words, or fp32. Does not know nodes or the wire.
/// </summary>
public static class PackedBf16
{
    private const uint Upper = 0xFFFF_0000, QuietNaN = 0x7FC0_0000;

    /// <summary>Words that hold so many numbers.</summary>
    public static int WordsOf(int numbers) => (int)((numbers + 1L) / 2);

    /// <summary>Rounds numbers into words.</summary>
    /// <param name="numbers">n numbers.</param>
    /// <param name="words">(n + 1) / 2 words; does not overlap the numbers.</param>
    public static void Round(ReadOnlySpan<float> numbers, Span<float> words)
    {
        ThrowUnlessFit(numbers.Length, words.Length);
        ref var source = ref MemoryMarshal.GetReference(numbers);
        ref var halves = ref Unsafe.As<float, ushort>(ref MemoryMarshal.GetReference(words));
        nuint i = 0, length = (nuint)numbers.Length, step = (nuint)Vector512<ushort>.Count;
        for (; i + step <= length; i += step)
        {
            var lower = Rounded(Vector512.LoadUnsafe(ref source, i)) >>> 16;
            var upper = Rounded(Vector512.LoadUnsafe(ref source, i + step / 2)) >>> 16;
            Vector512.Narrow(lower, upper).StoreUnsafe(ref halves, i);
        }

        for (; i < length; i++)
            Unsafe.Add(ref halves, i) = (ushort)(Rounded(Unsafe.Add(ref source, i)) >>> 16);
        if (length % 2 != 0)
            Unsafe.Add(ref halves, length) = 0;
    }

    /// <summary>Widens words into numbers.</summary>
    /// <param name="words">(n + 1) / 2 words.</param>
    /// <param name="numbers">n numbers; does not overlap the words.</param>
    public static void Widen(ReadOnlySpan<float> words, Span<float> numbers)
    {
        ThrowUnlessFit(numbers.Length, words.Length);
        ref var halves = ref Unsafe.As<float, ushort>(ref MemoryMarshal.GetReference(words));
        ref var destination = ref Unsafe.As<float, uint>(ref MemoryMarshal.GetReference(numbers));
        nuint i = 0, length = (nuint)numbers.Length, step = (nuint)Vector512<ushort>.Count;
        for (; i + step <= length; i += step)
        {
            var (lower, upper) = Vector512.Widen(Vector512.LoadUnsafe(ref halves, i));
            (lower << 16).StoreUnsafe(ref destination, i);
            (upper << 16).StoreUnsafe(ref destination, i + step / 2);
        }

        for (; i < length; i++)
            Unsafe.Add(ref destination, i) = (uint)Unsafe.Add(ref halves, i) << 16;
    }

    /// <summary>left + right, number by number: one addition in fp32 and one rounding.</summary>
    /// <param name="left">n words.</param>
    /// <param name="right">n words.</param>
    /// <param name="destination">n words; may be exactly <paramref name="left"/> or <paramref name="right"/>, not overlap otherwise.</param>
    public static void Add(ReadOnlySpan<float> left, ReadOnlySpan<float> right, Span<float> destination)
    {
        if (left.Length != right.Length || left.Length != destination.Length)
            throw new ArgumentException($"Lengths differ: {left.Length} + {right.Length} into {destination.Length}.");
        ref var a = ref Unsafe.As<float, uint>(ref MemoryMarshal.GetReference(left));
        ref var b = ref Unsafe.As<float, uint>(ref MemoryMarshal.GetReference(right));
        ref var sum = ref Unsafe.As<float, uint>(ref MemoryMarshal.GetReference(destination));
        nuint i = 0, length = (nuint)left.Length;
        var mask = Vector512.Create(Upper);
        for (; i + (nuint)Vector512<uint>.Count <= length; i += (nuint)Vector512<uint>.Count)
        {
            Vector512<uint> x = Vector512.LoadUnsafe(ref a, i), y = Vector512.LoadUnsafe(ref b, i);
            var lower = Rounded((x << 16).AsSingle() + (y << 16).AsSingle());
            var upper = Rounded((x & mask).AsSingle() + (y & mask).AsSingle());
            (lower >>> 16 | upper & mask).StoreUnsafe(ref sum, i);
        }

        for (; i < length; i++)
        {
            uint x = Unsafe.Add(ref a, i), y = Unsafe.Add(ref b, i);
            var lower = Rounded(BitConverter.UInt32BitsToSingle(x << 16) + BitConverter.UInt32BitsToSingle(y << 16));
            var upper = Rounded(BitConverter.UInt32BitsToSingle(x & Upper) + BitConverter.UInt32BitsToSingle(y & Upper));
            Unsafe.Add(ref sum, i) = lower >>> 16 | upper & Upper;
        }
    }

    /// <summary>The upper 16 bits are the rounded number's; what the lower ones are is not said.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector512<uint> Rounded(Vector512<float> value)
    {
        var bits = value.AsUInt32();
        var rounded = bits + Vector512.Create(0x7FFFu) + (bits >>> 16 & Vector512<uint>.One);
        return Vector512.ConditionalSelect(Vector512.Equals(value, value).AsUInt32(), rounded, Vector512.Create(QuietNaN));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static uint Rounded(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? QuietNaN : bits + 0x7FFF + (bits >>> 16 & 1);
    }

    private static void ThrowUnlessFit(int numbers, int words)
    {
        if (words != WordsOf(numbers))
            throw new ArgumentException($"{numbers} numbers take {WordsOf(numbers)} words, not {words}.");
    }
}
