// A build step: TorchSharp's native library goes in, a copy that also loads on GCC 12's libstdc++ comes out (infra/adr/0001).
// It knows the ELF format and one version name; it does not know MSBuild's items, where packages lie or what Torch is.
// MSBuild compiles this file by itself against netstandard2.0; the unit tests compile it again without the task.

using System;
using System.IO;
using System.Text;

/// <summary>
/// Sets the WEAK flag on the need for GLIBCXX_3.4.32 in a 64-bit little-endian ELF library. The dynamic loader then accepts a
/// libstdc++ that lacks this version (glibc, elf/dl-version.c: a missing weak version is not an error).
/// </summary>
public static class GlibcxxRelaxation
{
    /// <summary>The version that GCC 12's libstdc++ (Debian 12, Ubuntu 22.04) does not define.</summary>
    public const string Version = "GLIBCXX_3.4.32";

    /// <summary>
    /// The one symbol that may ask for the version. A compiler's header mentions it so that programs fail early on an older
    /// library; the library initialises its streams by itself, so that nothing calls the symbol.
    /// </summary>
    public const string Symbol = "_ZSt21ios_base_library_initv";

    private const uint SectionOfRelocations = 4;
    private const uint SectionOfDynamicSymbols = 11;
    private const uint SectionOfVersionNeeds = 0x6ffffffe;
    private const uint SectionOfSymbolVersions = 0x6fffffff;
    private const int SectionHeaderSize = 64;
    private const int SymbolSize = 24;
    private const int RelocationSize = 24;
    private const byte WeakFlag = 2;

    /// <summary>Changes <paramref name="library"/> in place, at most one bit of it, and returns that byte's offset.</summary>
    /// <exception cref="InvalidDataException">
    /// The bytes are no such library, do not ask for the version, or need it for more than the unused symbol.
    /// </exception>
    public static int Apply(byte[] library)
    {
        if (library.Length < 64 || library[0] != 0x7f || library[1] != 'E' || library[2] != 'L' || library[3] != 'F'
            || library[4] != 2 || library[5] != 1)
            throw new InvalidDataException("is not a 64-bit little-endian ELF library");
        try
        {
            return ApplyChecked(library);
        }
        catch (Exception e) when (e is ArgumentException || e is IndexOutOfRangeException || e is OverflowException)
        {
            throw new InvalidDataException("is a damaged ELF library: an offset leads outside the file", e);
        }
    }

    private static int ApplyChecked(byte[] library)
    {
        var needs = Section(library, SectionOfVersionNeeds);
        var versions = Section(library, SectionOfSymbolVersions);
        var symbols = Section(library, SectionOfDynamicSymbols);

        var (flagsAt, versionIndex) = FindNeed(library, needs);
        var symbolNames = Offset(library, SectionAt(library, symbols.Link));
        var allowed = -1;
        var count = symbols.Size / SymbolSize;
        for (var i = 0; i < count; i++)
        {
            // The top bit of a version index only says "hidden".
            if ((BitConverter.ToUInt16(library, versions.Offset + 2 * i) & 0x7fff) != versionIndex)
                continue;
            var name = Name(library, symbolNames + BitConverter.ToInt32(library, symbols.Offset + SymbolSize * i));
            if (name != Symbol)
                throw new InvalidDataException("needs " + Version + " for " + name + ", which only a newer libstdc++ has");
            allowed = i;
        }

        if (allowed >= 0 && IsRelocated(library, allowed))
            throw new InvalidDataException("calls " + Symbol + ", which only a newer libstdc++ has");
        library[flagsAt] |= WeakFlag;
        return flagsAt;
    }

    /// <summary>Where the flags of the version's entry in .gnu.version_r lie, and the index by which symbols refer to it.</summary>
    private static (int FlagsAt, int VersionIndex) FindNeed(byte[] library, SectionHeader needs)
    {
        var names = Offset(library, SectionAt(library, needs.Link));
        var need = needs.Offset;
        for (var i = 0; i < needs.Info; i++)
        {
            // Elf64_Verneed: version u16, count u16, file u32, aux u32, next u32.
            var entry = checked(need + BitConverter.ToInt32(library, need + 8));
            int entries = BitConverter.ToUInt16(library, need + 2);
            for (var j = 0; j < entries; j++)
            {
                // Elf64_Vernaux: hash u32, flags u16, other u16, name u32, next u32.
                if (Name(library, checked(names + BitConverter.ToInt32(library, entry + 8))) == Version)
                    return (entry + 4, BitConverter.ToUInt16(library, entry + 6) & 0x7fff);
                entry = checked(entry + BitConverter.ToInt32(library, entry + 12));
            }

            need = checked(need + BitConverter.ToInt32(library, need + 12));
        }

        throw new InvalidDataException(
            "does not ask for " + Version + ": this build of TorchSharp may need no relaxation, or another one (see infra/adr/0001)");
    }

    private static bool IsRelocated(byte[] library, int symbol)
    {
        for (var i = 0; i < SectionCount(library); i++)
        {
            var header = SectionAt(library, i);
            if (BitConverter.ToUInt32(library, header + 4) != SectionOfRelocations)
                continue;
            var relocations = Read(library, header);
            for (var at = relocations.Offset; at < relocations.Offset + relocations.Size; at += RelocationSize)
            {
                // Elf64_Rela: offset u64, info u64 whose upper half is the symbol, addend i64.
                if (BitConverter.ToUInt32(library, at + 12) == symbol)
                    return true;
            }
        }

        return false;
    }

    private static SectionHeader Section(byte[] library, uint type)
    {
        for (var i = 0; i < SectionCount(library); i++)
        {
            var header = SectionAt(library, i);
            if (BitConverter.ToUInt32(library, header + 4) == type)
                return Read(library, header);
        }

        throw new InvalidDataException("has no section of type 0x" + type.ToString("x") + ", so that its symbol versions are unknown");
    }

    private static int SectionCount(byte[] library) => BitConverter.ToUInt16(library, 60);

    private static int SectionAt(byte[] library, int index) =>
        checked((int)BitConverter.ToInt64(library, 40) + index * SectionHeaderSize);

    private static int Offset(byte[] library, int header) => checked((int)BitConverter.ToInt64(library, header + 24));

    private static SectionHeader Read(byte[] library, int header) => new SectionHeader(
        Offset(library, header),
        checked((int)BitConverter.ToInt64(library, header + 32)),
        BitConverter.ToInt32(library, header + 40),
        BitConverter.ToInt32(library, header + 44));

    private static string Name(byte[] library, int at)
    {
        var end = Array.IndexOf(library, (byte)0, at);
        return Encoding.ASCII.GetString(library, at, end - at);
    }

    private readonly struct SectionHeader
    {
        public SectionHeader(int offset, int size, int link, int info)
        {
            Offset = offset;
            Size = size;
            Link = link;
            Info = info;
        }

        public int Offset { get; }

        public int Size { get; }

        public int Link { get; }

        public int Info { get; }
    }
}

#if !WITHOUT_MSBUILD
/// <summary>MSBuild's task around <see cref="GlibcxxRelaxation"/>: reads one file, writes another, never touches the first.</summary>
public sealed class RelaxGlibcxx : Microsoft.Build.Utilities.Task
{
    /// <summary>The library as its package has it.</summary>
    [Microsoft.Build.Framework.Required]
    public string Source { get; set; }

    /// <summary>Where the relaxed copy goes; its folder is made.</summary>
    [Microsoft.Build.Framework.Required]
    public string Destination { get; set; }

    /// <inheritdoc/>
    public override bool Execute()
    {
        try
        {
            var library = File.ReadAllBytes(Source);
            GlibcxxRelaxation.Apply(library);
            Directory.CreateDirectory(Path.GetDirectoryName(Destination));

            // Written aside and renamed: a build cut short leaves no half library that counts as up to date.
            var aside = Destination + "." + Guid.NewGuid().ToString("N") + ".tmp";
            File.WriteAllBytes(aside, library);
            File.Delete(Destination);
            File.Move(aside, Destination);
            return true;
        }
        catch (Exception e) when (e is InvalidDataException || e is IOException || e is UnauthorizedAccessException)
        {
            Log.LogError("{0} cannot be relaxed: it {1}.", Source, e.Message);
            return false;
        }
    }
}
#endif
