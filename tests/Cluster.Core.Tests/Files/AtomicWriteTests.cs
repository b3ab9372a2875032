using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Files;

namespace Cluster.Core.Tests.Files;

/// <summary>The failures are of kinds that root meets too: permissions would not stop it.</summary>
public sealed class AtomicWriteTests : IDisposable
{
    private static readonly byte[] s_old = "old content"u8.ToArray(), s_new = "new"u8.ToArray();
    private readonly string _folder = Directory.CreateTempSubdirectory("atomic-write-").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void AllBytes_FileInMissingFolders_IsWrittenAlone()
    {
        var path = Path.Combine(_folder, "a", "b", "file.bin");
        AtomicWrite.AllBytes(path, s_new);
        Assert.Equal(s_new, File.ReadAllBytes(path));
        Assert.Equal([path], Directory.GetFiles(_folder, "*", SearchOption.AllDirectories));
    }

    [Fact]
    public void AllBytes_FileThatIsThere_IsReplacedForNewReadersOnly()
    {
        var path = Path.Combine(_folder, "file.bin");
        AtomicWrite.AllBytes(path, s_old);
        using var reader = new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
        AtomicWrite.AllBytes(path, s_new);
        Assert.Equal(s_new, File.ReadAllBytes(path));
        var seen = new byte[s_old.Length];
        reader.ReadExactly(seen);
        Assert.Equal(s_old, seen);
    }

    [Fact]
    public void AllText_AnyText_IsUtf8WithoutByteOrderMark()
    {
        var path = Path.Combine(_folder, "file.txt");
        AtomicWrite.AllText(path, "é\n中");
        Assert.Equal(Encoding.UTF8.GetBytes("é\n中"), File.ReadAllBytes(path));
    }

    [Fact]
    public void AllBytes_FileThatCannotBeWrittenAside_IsIntact()
    {
        // The longest name that a file may have: there is no room for the suffix of the file beside it.
        var path = Path.Combine(_folder, new string('n', 255));
        File.WriteAllBytes(path, s_old);
        AssertRefused(path);
        Assert.Equal(s_old, File.ReadAllBytes(path));
    }

    [Fact]
    public void AllBytes_FolderThatIsAFile_IsIntact()
    {
        var file = Path.Combine(_folder, "file");
        File.WriteAllBytes(file, s_old);
        AssertRefused(Path.Combine(file, "inner.bin"));
        Assert.Equal(s_old, File.ReadAllBytes(file));
    }

    [Fact]
    public void AllBytes_PathThatIsAFolder_LeavesNothingBeside()
    {
        var path = Path.Combine(_folder, "folder");
        var inner = Path.Combine(path, "inner.bin");
        Directory.CreateDirectory(path);
        File.WriteAllBytes(inner, s_old);
        AssertRefused(path);
        Assert.Equal([inner], Directory.GetFiles(_folder, "*", SearchOption.AllDirectories));
        Assert.Equal(s_old, File.ReadAllBytes(inner));
    }

    private static void AssertRefused(string path)
    {
        var error = Assert.Throws<UserErrorException>(() => AtomicWrite.AllBytes(path, s_new));
        Assert.Contains(path, error.What, StringComparison.Ordinal);
        Assert.Contains("writable", error.Remedy, StringComparison.Ordinal);
    }
}
