namespace Cluster.Model.Tests.Build;

/// <summary>The build's patcher of TorchSharp's native library (infra/adr/0001), on small libraries and on the real one.</summary>
public class GlibcxxRelaxationTests
{
    private static readonly (string, string)[] s_symbols =
        [("memcpy", ElfLibrary.Libc), ("_ZNSt6thread4joinEv", ElfLibrary.Older), (GlibcxxRelaxation.Symbol, ElfLibrary.Newer), ("_ZTIi", ElfLibrary.Abi)];

    [Fact]
    public void Apply_UnusedSymbol_SetsWeakOnThatVersionAlone()
    {
        var library = ElfLibrary.Make(s_symbols, relocated: ["memcpy", "_ZTIi"]);
        var relaxed = (byte[])library.Clone();
        var at = GlibcxxRelaxation.Apply(relaxed);

        Assert.All(ElfLibrary.NeededFlags(library).Values, flags => Assert.Equal(0, flags));
        Assert.Equal(
            new Dictionary<string, ushort> { [ElfLibrary.Libc] = 0, [ElfLibrary.Older] = 0, [ElfLibrary.Newer] = 2, [ElfLibrary.Abi] = 0 },
            ElfLibrary.NeededFlags(relaxed));
        Assert.Equal([at], Enumerable.Range(0, library.Length).Where(i => library[i] != relaxed[i]));
        Assert.Equal(library[at] | 2, relaxed[at]);
    }

    [Fact]
    public void Apply_ARelaxedLibrary_ChangesNothing()
    {
        var library = ElfLibrary.Make(s_symbols);
        var at = GlibcxxRelaxation.Apply(library);
        var again = (byte[])library.Clone();
        Assert.Equal(at, GlibcxxRelaxation.Apply(again));
        Assert.Equal(library, again);
    }

    [Fact]
    public void Apply_VersionThatNoSymbolHas_IsRelaxedToo()
    {
        var library = ElfLibrary.Make([("memcpy", ElfLibrary.Libc)]);
        GlibcxxRelaxation.Apply(library);
        Assert.Equal(2, ElfLibrary.NeededFlags(library)[ElfLibrary.Newer]);
    }

    [Fact]
    public void Apply_AnotherSymbolOfTheVersion_IsRefusedByName() =>
        AssertRefused(ElfLibrary.Make([.. s_symbols, ("_ZSt9new_thing", ElfLibrary.Newer)]), "_ZSt9new_thing");

    [Fact]
    public void Apply_SymbolThatIsRelocated_IsRefused() =>
        AssertRefused(ElfLibrary.Make(s_symbols, relocated: ["memcpy", GlibcxxRelaxation.Symbol]), "calls " + GlibcxxRelaxation.Symbol);

    [Fact]
    public void Apply_LibraryWithoutTheVersion_IsRefused() =>
        AssertRefused(ElfLibrary.Make(s_symbols[..2], without: ElfLibrary.Newer), "does not ask for " + GlibcxxRelaxation.Version);

    [Fact]
    public void Apply_NoElfLibrary_IsRefused()
    {
        var library = ElfLibrary.Make(s_symbols);
        byte[][] others = [[], "MZ"u8.ToArray(), new byte[1000], library[..63], With(0, 0), With(4, 1), With(5, 2)];
        foreach (var other in others)
            AssertRefused(other, "is not a 64-bit little-endian ELF library");

        byte[] With(int at, byte value)
        {
            var other = (byte[])library.Clone();
            other[at] = value;
            return other;
        }
    }

    [Fact]
    public void Apply_LibraryCutShort_IsRefused()
    {
        // The headers of the sections come last, so that every cut loses one.
        var library = ElfLibrary.Make(s_symbols, relocated: ["memcpy"]);
        for (var length = 64; length < library.Length - 16; length++)
            AssertRefused(library[..length], "");
    }

    [LinuxX64Fact]
    public void Apply_TorchSharpsLibraryBesideThisTest_WasRelaxedByTheBuild()
    {
        var built = File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "runtimes", "linux-x64", "native", "libLibTorchSharp.so"));
        var library = (byte[])built.Clone();
        var at = GlibcxxRelaxation.Apply(library);
        Assert.Equal(built, library);

        // Control: with the flag away it is the library that needs relaxing, and the result is the built one.
        library[at] = 0;
        Assert.NotEqual(built, library);
        Assert.Equal(at, GlibcxxRelaxation.Apply(library));
        Assert.Equal(built, library);
    }

    private static void AssertRefused(byte[] library, string why)
    {
        var before = (byte[])library.Clone();
        var error = Assert.Throws<InvalidDataException>(() => GlibcxxRelaxation.Apply(library));
        Assert.Contains(why, error.Message, StringComparison.Ordinal);
        Assert.Equal(before, library);
    }
}
