using System.Buffers.Binary;
using System.Text;

namespace Cluster.Model.Tests.Build;

/// <summary>
/// The least ELF library that has versioned symbols: two libraries are needed, each in several versions, and each dynamic symbol has
/// one of them. The layouts are those of the System V ABI's elf64 and the Linux Standard Base's symbol versioning.
/// </summary>
internal static class ElfLibrary
{
    public const string Libc = "GLIBC_2.2.5", Older = "GLIBCXX_3.4.30", Newer = "GLIBCXX_3.4.32", Abi = "CXXABI_1.3";

    private static readonly (string File, (string Version, ushort Index)[] Needs)[] s_needs =
        [("libc.so.6", [(Libc, 2)]), ("libstdc++.so.6", [(Older, 3), (Newer, 4), (Abi, 5)])];

    /// <summary>The library's bytes.</summary>
    /// <param name="symbols">Each dynamic symbol's name and needed version.</param>
    /// <param name="relocated">Symbols that a relocation refers to.</param>
    /// <param name="without">A version that is not needed.</param>
    public static byte[] Make((string Name, string Version)[] symbols, string[]? relocated = null, string? without = null)
    {
        var strings = new List<byte> { 0 };
        var needs = s_needs.Select(need => (need.File, Needs: need.Needs.Where(entry => entry.Version != without).ToArray())).ToArray();
        var indices = needs.SelectMany(need => need.Needs).ToDictionary(entry => entry.Version, entry => entry.Index);

        // Symbol 0 is the undefined one, of version 0.
        var dynamicSymbols = new Bytes().Zero(24);
        var versions = new Bytes().UInt16(0);
        foreach (var (name, version) in symbols)
        {
            dynamicSymbols.UInt32(Text(name)).Zero(20);

            // The top bit only says that the symbol is hidden.
            versions.UInt16((ushort)(indices[version] | (version == Newer ? 0x8000 : 0)));
        }

        var needed = new Bytes();
        for (var i = 0; i < needs.Length; i++)
        {
            var (file, entries) = needs[i];
            needed.UInt16(1).UInt16((ushort)entries.Length).UInt32(Text(file)).UInt32(16);
            needed.UInt32(i == needs.Length - 1 ? 0 : 16u + 16u * (uint)entries.Length);
            for (var j = 0; j < entries.Length; j++)
                needed.UInt32(0x1234).UInt16(0).UInt16(entries[j].Index).UInt32(Text(entries[j].Version)).UInt32(j == entries.Length - 1 ? 0u : 16);
        }

        var relocations = new Bytes();
        foreach (var name in relocated ?? [])
            relocations.Zero(8).UInt32(6).UInt32((uint)Array.FindIndex(symbols, symbol => symbol.Name == name) + 1).Zero(8);

        (uint Type, byte[] Content, uint Link, uint Info)[] sections =
        [
            (0, [], 0, 0),
            (11, dynamicSymbols.ToArray(), 2, 1),
            (3, [.. strings], 0, 0),
            (0x6fffffff, versions.ToArray(), 1, 0),
            (0x6ffffffe, needed.ToArray(), 2, (uint)needs.Length),
            (4, relocations.ToArray(), 1, 0),
        ];
        var contents = new Bytes();
        var headers = new Bytes();
        foreach (var (type, content, link, info) in sections)
        {
            headers.UInt32(0).UInt32(type).Zero(16).UInt64(64u + (ulong)contents.Count).UInt64((ulong)content.Length).UInt32(link).UInt32(info).Zero(16);
            contents.Append(content);
        }

        var file64 = new Bytes().Append([0x7f, (byte)'E', (byte)'L', (byte)'F', 2, 1, 1]).Zero(33);
        file64.UInt64(64u + (ulong)contents.Count).Zero(10).UInt16(64).UInt16((ushort)sections.Length).UInt16(0);
        return file64.Append(contents.ToArray()).Append(headers.ToArray()).ToArray();

        uint Text(string text)
        {
            var at = (uint)strings.Count;
            strings.AddRange([.. Encoding.ASCII.GetBytes(text), 0]);
            return at;
        }
    }

    /// <summary>The flags of every needed version by name, read without the code under test.</summary>
    public static Dictionary<string, ushort> NeededFlags(byte[] library)
    {
        var flags = new Dictionary<string, ushort>();
        var headers = (int)BinaryPrimitives.ReadUInt64LittleEndian(library.AsSpan(40));
        int strings = At(2), need = At(4);
        for (var next = -1; next != 0; need += next)
        {
            next = Int32(need + 12);
            var entry = need + Int32(need + 8);
            for (var step = -1; step != 0; entry += step)
            {
                var name = library.AsSpan(strings + Int32(entry + 8));
                flags.Add(Encoding.ASCII.GetString(name[..name.IndexOf((byte)0)]), BinaryPrimitives.ReadUInt16LittleEndian(library.AsSpan(entry + 4)));
                step = Int32(entry + 12);
            }
        }

        return flags;

        int Int32(int at) => BinaryPrimitives.ReadInt32LittleEndian(library.AsSpan(at));
        int At(int section) => Int32(headers + 64 * section + 24);
    }

    private sealed class Bytes
    {
        private readonly List<byte> _bytes = [];

        public int Count => _bytes.Count;

        public Bytes Zero(int count) => Append(new byte[count]);

        public Bytes UInt16(ushort value) => Append(BitConverter.GetBytes(value));

        public Bytes UInt32(uint value) => Append(BitConverter.GetBytes(value));

        public Bytes UInt64(ulong value) => Append(BitConverter.GetBytes(value));

        public Bytes Append(ReadOnlySpan<byte> bytes)
        {
            _bytes.AddRange(bytes);
            return this;
        }

        public byte[] ToArray() => [.. _bytes];
    }
}
