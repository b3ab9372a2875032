using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text;
using Cluster.Core.Checkpoints;
using Cluster.Core.Errors;

namespace Cluster.Core.Tests.Checkpoints;

public sealed class SafetensorsTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Write_SmallExample_GivesThePublishedFormatByteForByte()
    {
        var written = WriteExample(_folder.At("a"));

        // Length, JSON filled up with spaces to whole words of 8 bytes, then 1, -2, 0.5 and 3 as little-endian IEEE 754.
        const string header = """{"__metadata__":{"k":"v"},"b":{"dtype":"F32","shape":[1,3],"data_offsets":[0,12]},"a":{"dtype":"F32","shape":[],"data_offsets":[12,16]}}""";
        var padded = header.PadRight((header.Length + 7) / 8 * 8);
        byte[] expected =
        [
            (byte)padded.Length, 0, 0, 0, 0, 0, 0, 0,
            .. Encoding.ASCII.GetBytes(padded),
            0x00, 0x00, 0x80, 0x3F, 0x00, 0x00, 0x00, 0xC0, 0x00, 0x00, 0x00, 0x3F,
            0x00, 0x00, 0x40, 0x40,
        ];
        Assert.Equal(expected, File.ReadAllBytes(_folder.At("a")));
        Assert.Equal(new CheckpointFile("a", expected.Length, Convert.ToHexStringLower(SHA256.HashData(expected))), written);
    }

    [Fact]
    public void Read_WhatWasWritten_GivesMetadataShapesAndValues()
    {
        WriteExample(_folder.At("a"));
        using var reader = Safetensors.Open(_folder.At("a"));
        Assert.Equal("v", reader.Metadata["k"]);
        Assert.Equal(["b", "a"], reader.Tensors.Select(tensor => tensor.Name));
        Assert.Equal([1, 3], reader.Find("b")!.Shape);
        Assert.Empty(reader.Find("a")!.Shape);
        var values = new float[3];
        reader.Read("b", values);
        Assert.Equal([1, -2, 0.5f], values);
        Assert.Null(reader.Find("c"));
        Assert.Contains("no tensor c", Assert.Throws<UserErrorException>(() => reader.Read("c", values)).What, StringComparison.Ordinal);
        Assert.Throws<ArgumentException>(() => reader.Read("a", values));
    }

    [Fact]
    public void Read_TensorOfSeveralPieces_KeepsEveryBit()
    {
        // Longer than two pieces and no multiple of one.
        var values = MemoryMarshal.Cast<byte, float>(RandomBytes(sizeof(float) * 600_001)).ToArray();
        TensorShape[] tensors = [new TensorShape("é \"quoted\"", [values.Length]), new TensorShape("empty", [0, 3])];
        using (var writer = Safetensors.Create(_folder.At("a"), tensors))
        {
            writer.Write("é \"quoted\"", values);
            writer.Write("empty", []);
            Assert.Equal(HashOf(_folder.At("a")), writer.Complete().Sha256);
        }

        using var reader = Safetensors.Open(_folder.At("a"));
        var read = new float[values.Length];
        reader.Read("é \"quoted\"", read);
        reader.Read("empty", []);
        Assert.True(MemoryMarshal.AsBytes(values.AsSpan()).SequenceEqual(MemoryMarshal.AsBytes(read.AsSpan())));
    }

    [Fact]
    public void Read_BrainFloats_WidensThem()
    {
        // 1, -0, the largest, a NaN with a payload.
        WriteRaw("""{"t":{"dtype":"BF16","shape":[2,2],"data_offsets":[0,8]}}""", [0x80, 0x3F, 0x00, 0x80, 0x7F, 0x7F, 0xC3, 0x7F]);
        using var reader = Safetensors.Open(_folder.At("raw"));
        var values = new float[4];
        reader.Read("t", values);
        Assert.Equal([0x3F800000, 0x80000000, 0x7F7F0000, 0x7FC30000], values.Select(BitConverter.SingleToUInt32Bits));
    }

    [Fact]
    public void Read_OtherType_IsRefused()
    {
        WriteRaw("""{"t":{"dtype":"I16","shape":[2],"data_offsets":[0,4]}}""", new byte[4]);
        using var reader = Safetensors.Open(_folder.At("raw"));
        var error = Assert.Throws<UserErrorException>(() => reader.Read("t", new float[2]));
        Assert.Contains("the tensor t is I16; F32 and BF16 can be read", error.What, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("""{}""", 0)]
    [InlineData("""{"__metadata__":{}}""", 0)]
    [InlineData("""{"b":{"dtype":"F32","shape":[1],"data_offsets":[4,8]},"a":{"data_offsets":[0,4],"shape":[],"dtype":"F32"}}  """, 8)]
    [InlineData("""{"e":{"dtype":"F32","shape":[0],"data_offsets":[4,4]},"a":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}}""", 4)]
    public void Open_SoundHeader_IsAccepted(string header, int data)
    {
        WriteRaw(header, new byte[data]);
        using var reader = Safetensors.Open(_folder.At("raw"));
        Assert.Equal(data, reader.Tensors.Sum(tensor => tensor.End - tensor.Begin));
    }

    [Theory]
    [InlineData("", 0, "does not begin with {")]
    [InlineData(""" {}""", 0, "does not begin with {")]
    [InlineData("""[]""", 0, "does not begin with {")]
    [InlineData("""{"t":""", 0, "no valid JSON")]
    [InlineData("""{"\ud800":1}""", 0, "no valid JSON")]
    [InlineData("""{} {}""", 0, "no valid JSON")]
    [InlineData("""{"__metadata__":[]}""", 0, "__metadata__ is no object")]
    [InlineData("""{"__metadata__":{"a":1}}""", 0, "__metadata__.a is no text")]
    [InlineData("""{"t":1}""", 0, "t is no object of dtype, shape and data_offsets")]
    [InlineData("""{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4],"more":1}}""", 4, "t is no object of dtype, shape and data_offsets")]
    [InlineData("""{"t":{"type":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "t has no dtype")]
    [InlineData("""{"t":{"dtype":"F33","shape":[1],"data_offsets":[0,4]}}""", 4, "unknown type F33")]
    [InlineData("""{"t":{"dtype":"F32","shape":1,"data_offsets":[0,4]}}""", 4, "t has no shape")]
    [InlineData("""{"t":{"dtype":"F32","shape":[-1],"data_offsets":[0,4]}}""", 4, "t has shape that are no whole numbers")]
    [InlineData("""{"t":{"dtype":"F32","shape":[0.5],"data_offsets":[0,2]}}""", 2, "t has shape that are no whole numbers")]
    [InlineData("""{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4,4]}}""", 4, "other than two data_offsets")]
    [InlineData("""{"t":{"dtype":"F32","shape":[1],"data_offsets":[4,0]}}""", 4, "needs 4 bytes and lies at 4 to 0")]
    [InlineData("""{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", 4, "F32 [2], needs 8 bytes and lies at 0 to 4")]
    [InlineData("""{"t":{"dtype":"F32","shape":[4294967296,4294967296],"data_offsets":[0,0]}}""", 0, "beyond all memory")]
    [InlineData("""{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "no valid JSON")]
    [InlineData("""{"t":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", 8, "begins at byte 4 of the data and not at 0")]
    [InlineData("""{"t":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"u":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", 4, "begins at byte 0 of the data and not at 4")]
    [InlineData("""{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 7, "cut short: its tensors take 8 bytes, 7 are there")]
    [InlineData("""{"t":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", 9, "1 bytes follow its last tensor")]
    public void Open_BrokenHeader_NamesFileAndDefect(string header, int data, string expected)
    {
        WriteRaw(header, new byte[data]);
        var error = Assert.Throws<UserErrorException>(() => Safetensors.Open(_folder.At("raw")));
        Assert.StartsWith(_folder.At("raw") + " is no valid safetensors file: ", error.What, StringComparison.Ordinal);
        Assert.Contains(expected, error.What, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(100_000_001UL, "claims 100000001 bytes, 100000000 are allowed")]
    [InlineData(ulong.MaxValue, "claims 18446744073709551615 bytes")]
    [InlineData(100_000_000UL, "cut short: its header takes 100000000 bytes, 2 are there")]
    public void Open_LongHeader_IsRefusedBeforeMemoryIsTaken(ulong length, string expected)
    {
        var bytes = new byte[10];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        File.WriteAllBytes(_folder.At("raw"), bytes);
        var before = GC.GetAllocatedBytesForCurrentThread();
        var error = Assert.Throws<UserErrorException>(() => Safetensors.Open(_folder.At("raw")));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1_000_000);
        Assert.Contains(expected, error.What, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_InvalidUtf8_IsRefused()
    {
        File.WriteAllBytes(_folder.At("raw"), [5, 0, 0, 0, 0, 0, 0, 0, (byte)'{', (byte)'"', 0xFF, (byte)'"', (byte)'}']);
        var error = Assert.Throws<UserErrorException>(() => Safetensors.Open(_folder.At("raw")));
        Assert.Contains("not UTF-8", error.What, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_MissingFile_NamesIt()
    {
        var error = Assert.Throws<UserErrorException>(() => Safetensors.Open(_folder.At("none")));
        Assert.Contains(_folder.At("none") + " cannot be read", error.What, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_CutAtAnyByte_IsRefused()
    {
        WriteExample(_folder.At("a"));
        var whole = File.ReadAllBytes(_folder.At("a"));
        for (var length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(_folder.At("cut"), whole.AsSpan(0, length));
            Assert.Throws<UserErrorException>(() => Safetensors.Open(_folder.At("cut")));
        }
    }

    [Fact]
    public void Open_AnyBitFlipped_IsReadOrRefusedButNeverFailsOtherwise()
    {
        WriteExample(_folder.At("a"));
        var bytes = File.ReadAllBytes(_folder.At("a"));
        var refused = 0;
        for (var bit = 0; bit < bytes.Length * 8; bit++)
        {
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            File.WriteAllBytes(_folder.At("flipped"), bytes);
            bytes[bit / 8] ^= (byte)(1 << (bit % 8));
            try
            {
                using var reader = Safetensors.Open(_folder.At("flipped"));
                foreach (var tensor in reader.Tensors)
                    reader.Read(tensor.Name, new float[tensor.Count]);
            }
            catch (UserErrorException)
            {
                refused++;
            }
        }

        // Names, metadata and values have no redundancy; structure has.
        Assert.InRange(refused, 500, bytes.Length * 8 - 1);
    }

    [Fact]
    public void Write_WrongOrderOrLength_IsRefused()
    {
        using var writer = Safetensors.Create(_folder.At("a"), [new TensorShape("a", [2]), new TensorShape("b", [1])]);
        Assert.Throws<InvalidOperationException>(() => writer.Write("b", new float[1]));
        Assert.Throws<ArgumentException>(() => writer.Write("a", new float[1]));
        writer.Write("a", new float[2]);
        Assert.Throws<InvalidOperationException>(() => writer.Complete());
        writer.Write("b", new float[1]);
        Assert.Throws<InvalidOperationException>(() => writer.Write("b", new float[1]));
        writer.Complete();
    }

    [Fact]
    public void Create_NameTakenOrNegativeSize_IsRefused()
    {
        Assert.Throws<ArgumentException>(() => Safetensors.Create(_folder.At("a"), [new TensorShape("a", []), new TensorShape("a", [])]));
        Assert.Throws<ArgumentException>(() => Safetensors.Create(_folder.At("a"), [new TensorShape("__metadata__", [])]));
        Assert.Throws<ArgumentException>(() => Safetensors.Create(_folder.At("a"), [new TensorShape("a", [-1])]));
        Assert.False(File.Exists(_folder.At("a")));
    }

    [LinuxFact]
    public void Create_FullDisk_NamesPathAndReason()
    {
        var error = Assert.Throws<UserErrorException>(() => Safetensors.Create("/dev/full", [new TensorShape("a", [2])]));
        Assert.StartsWith("/dev/full cannot be written (No space left on device", error.What, StringComparison.Ordinal);
    }

    private CheckpointFile WriteExample(string path)
    {
        using var writer = Safetensors.Create(
            path, [new TensorShape("b", [1, 3]), new TensorShape("a", [])], new Dictionary<string, string> { ["k"] = "v" });
        writer.Write("b", [1, -2, 0.5f]);
        writer.Write("a", [3]);
        return writer.Complete();
    }

    private void WriteRaw(string header, byte[] data)
    {
        var length = new byte[8];
        BinaryPrimitives.WriteInt64LittleEndian(length, header.Length);
        File.WriteAllBytes(_folder.At("raw"), [.. length, .. Encoding.ASCII.GetBytes(header), .. data]);
    }

    private static byte[] RandomBytes(int count)
    {
        var bytes = new byte[count];
        new Random(7).NextBytes(bytes);
        return bytes;
    }

    private static string HashOf(string path) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(path)));
}
