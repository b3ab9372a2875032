namespace Cluster.Inference.Quantization;

/// <summary>bfloat16: the upper half of an fp32.</summary>
internal static class BFloat16
{
    /// <summary>The nearest one, ties to even; the value is finite.</summary>
    public static ushort Round(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16);
    }

    /// <summary>Its value.</summary>
    public static float Widen(ushort value) => BitConverter.UInt32BitsToSingle((uint)value << 16);
}
