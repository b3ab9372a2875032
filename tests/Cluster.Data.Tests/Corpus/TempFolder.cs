using System.Text;

namespace Cluster.Data.Tests.Corpus;

/// <summary>A folder of fixture files that is gone after the test.</summary>
internal sealed class TempFolder : IDisposable
{
    public string Path { get; } = Directory.CreateTempSubdirectory("cluster-corpus-").FullName;

    public TempFolder Write(string name, string text) => Write(name, Encoding.UTF8.GetBytes(text));

    public TempFolder Write(string name, byte[] bytes)
    {
        var path = System.IO.Path.Combine(Path, name);
        Directory.CreateDirectory(System.IO.Path.GetDirectoryName(path)!);
        File.WriteAllBytes(path, bytes);
        return this;
    }

    public string In(string name) => System.IO.Path.Combine(Path, name);

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
