// A model's parameters as a file of llama.cpp. Enters: a layout and the flat fp32 vector. Leaves: a GGUF file, version 3.
// Does not know: who reads it.
using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Models;

namespace Cluster.Peers.LlamaCpp;

/// <summary>Types of ggml's tensors, by their numbers in files.</summary>
internal enum GgmlType
{
    /// <summary>Single precision.</summary>
    F32 = 0,

    /// <summary>Blocks of 32 weights: a scale in fp16, then 4-bit codes, −8 to 7.</summary>
    Q4_0 = 2,

    /// <summary>Blocks of 32 weights: a scale in fp16, then 8-bit codes, −127 to 127.</summary>
    Q8_0 = 8,

    /// <summary>bfloat16.</summary>
    Bf16 = 30,
}

/// <summary>
/// Writes models of GPT-2's kind without biases as llama.cpp's architecture "mpt", whose graph is theirs to the last operation once the
/// largest ALiBi bias is 0 and there is a table of positions: LayerNorm with a gain only, query, key and value in one matrix, GELU, a
/// tied head. (Its "gpt2" has the same products but asks for biases.)
/// </summary>
internal static class Gguf
{
    private const int Alignment = 32, Block = 32;
    private const string Architecture = "mpt";

    /// <summary>Writes a model.</summary>
    /// <param name="path">Replaced.</param>
    /// <param name="layout">LayerNorm, GELU, learned positions, no biases, a tied head.</param>
    /// <param name="parameters">The flat vector.</param>
    /// <param name="matrices">Of the blocks' matrices.</param>
    /// <param name="head">Of the token embedding, which is the head.</param>
    /// <returns>Bytes of matrices that a step reads.</returns>
    public static long Write(string path, ParameterLayout layout, ReadOnlySpan<float> parameters, GgmlType matrices, GgmlType head)
    {
        var shape = layout.Shape;
        if (shape is not { Norm: Normalization.LayerNorm, Activation: Activation.Gelu, Positions: PositionEncoding.Learned }
            or not { Biases: false, TiedHead: true })
        {
            throw new UserErrorException($"The model is {shape}.",
                "Only LayerNorm, GELU, learned positions, no biases and a tied head have a counterpart.");
        }

        (Parameter From, string To, GgmlType Type)[] tensors = [.. layout.Parameters.Select(p => (p, NameOf(p.Name),
            p.Name == "token_embedding.weight" ? head : p.IsMatrix && p.Name != "position_embedding.weight" ? matrices : GgmlType.F32))];

        var header = new Header();
        header.Raw("GGUF"u8);
        header.UInt32(3);
        header.UInt64((ulong)tensors.Length);
        (string Key, object Value)[] metadata =
        [
            ("general.architecture", Architecture), ("general.alignment", (uint)Alignment), ("general.quantization_version", 2u),
            ($"{Architecture}.context_length", (uint)shape.MaxContext),
            ($"{Architecture}.embedding_length", (uint)shape.Width),
            ($"{Architecture}.block_count", (uint)shape.Layers),
            ($"{Architecture}.feed_forward_length", (uint)shape.FeedForward),
            ($"{Architecture}.attention.head_count", (uint)shape.Heads),
            ($"{Architecture}.attention.layer_norm_epsilon", ModelShape.NormEpsilon),
            ($"{Architecture}.attention.max_alibi_bias", 0f),
            ($"{Architecture}.vocab_size", (uint)shape.Vocabulary), ("tokenizer.ggml.model", "no_vocab"),
        ];
        header.UInt64((ulong)metadata.Length);
        foreach (var (key, value) in metadata)
            header.Pair(key, value);
        ulong offset = 0;
        foreach (var (from, to, type) in tensors)
        {
            header.Text(to);
            header.UInt32(from.IsMatrix ? 2u : 1u);
            header.UInt64((ulong)from.Columns); // the fastest dimension comes first
            if (from.IsMatrix)
                header.UInt64((ulong)from.Rows);
            header.UInt32((uint)type);
            header.UInt64(offset);
            offset += (ulong)Aligned(BytesOf(type, from.Count));
        }

        using var file = File.Create(path);
        file.Write(header.Padded());
        long read = 0;
        foreach (var (from, _, type) in tensors)
        {
            var bytes = new byte[Aligned(BytesOf(type, from.Count))];
            Encode(parameters.Slice((int)from.Offset, checked((int)from.Count)), type, bytes);
            file.Write(bytes);
            if (from.IsMatrix && from.Name != "position_embedding.weight")
                read += BytesOf(type, from.Count);
        }

        return read;
    }

    private static string NameOf(string name)
    {
        var parts = name.Split('.');
        return parts[0] switch
        {
            "token_embedding" => "token_embd.weight",
            "position_embedding" => "position_embd.weight",
            "final_norm" => "output_norm.weight",
            _ => $"blk.{parts[1]}." + string.Join('.', parts[2..]) switch
            {
                "attention_norm.gain" => "attn_norm.weight",
                "attention.qkv.weight" => "attn_qkv.weight",
                "attention.output.weight" => "attn_output.weight",
                "feed_forward_norm.gain" => "ffn_norm.weight",
                "feed_forward.up.weight" => "ffn_up.weight",
                "feed_forward.down.weight" => "ffn_down.weight",
                _ => throw new ArgumentException($"{name} has no counterpart", nameof(name)),
            },
        };
    }

    private static long BytesOf(GgmlType type, long count) => type switch
    {
        GgmlType.F32 => 4 * count,
        GgmlType.Bf16 => 2 * count,
        GgmlType.Q8_0 => count / Block * (2 + Block),
        _ => count / Block * (2 + Block / 2),
    };

    private static long Aligned(long bytes) => (bytes + Alignment - 1) / Alignment * Alignment;

    private static void Encode(ReadOnlySpan<float> values, GgmlType type, Span<byte> bytes)
    {
        switch (type)
        {
            case GgmlType.F32:
                MemoryMarshal.AsBytes(values).CopyTo(bytes);
                break;
            case GgmlType.Bf16:
                for (var i = 0; i < values.Length; i++)
                {
                    var bits = BitConverter.SingleToUInt32Bits(values[i]);
                    BinaryPrimitives.WriteUInt16LittleEndian(bytes[(2 * i)..], (ushort)((bits + 0x7FFF + ((bits >> 16) & 1)) >> 16));
                }

                break;
            default:
                var size = (int)BytesOf(type, Block);
                for (var i = 0; i < values.Length / Block; i++)
                    EncodeBlock(values.Slice(i * Block, Block), type, bytes.Slice(i * size, size));
                break;
        }
    }

    /// <summary>As ggml's quantize_row_q8_0_ref and quantize_row_q4_0_ref (ggml-quants.c).</summary>
    private static void EncodeBlock(ReadOnlySpan<float> values, GgmlType type, Span<byte> bytes)
    {
        var largest = 0f;
        foreach (var value in values)
            largest = MathF.Abs(value) > MathF.Abs(largest) ? value : largest;
        var scale = type == GgmlType.Q8_0 ? MathF.Abs(largest) / 127 : largest / -8;
        var inverse = scale == 0 ? 0 : 1 / scale;
        BinaryPrimitives.WriteHalfLittleEndian(bytes, (Half)scale);
        for (var i = 0; i < Block; i++)
        {
            if (type == GgmlType.Q8_0)
                bytes[2 + i] = (byte)(sbyte)MathF.Round(values[i] * inverse, MidpointRounding.AwayFromZero);
            else
                bytes[2 + i % 16] |= (byte)(Math.Min(15, (int)(values[i] * inverse + 8.5f)) << (i < 16 ? 0 : 4));
        }
    }

    /// <summary>What comes before the tensors' data.</summary>
    private sealed class Header
    {
        private readonly MemoryStream _bytes = new();

        public void Raw(ReadOnlySpan<byte> bytes) => _bytes.Write(bytes);

        public void UInt32(uint value) => Raw(BitConverter.GetBytes(value));

        public void UInt64(ulong value) => Raw(BitConverter.GetBytes(value));

        public void Text(string text)
        {
            UInt64((ulong)Encoding.UTF8.GetByteCount(text));
            Raw(Encoding.UTF8.GetBytes(text));
        }

        public void Pair(string key, object value)
        {
            Text(key);
            switch (value)
            {
                case uint number:
                    UInt32(4);
                    UInt32(number);
                    break;
                case float number:
                    UInt32(6);
                    UInt32(BitConverter.SingleToUInt32Bits(number));
                    break;
                default:
                    UInt32(8);
                    Text((string)value);
                    break;
            }
        }

        public ReadOnlySpan<byte> Padded()
        {
            _bytes.SetLength(Aligned(_bytes.Length));
            return _bytes.GetBuffer().AsSpan(0, (int)_bytes.Length);
        }
    }
}
