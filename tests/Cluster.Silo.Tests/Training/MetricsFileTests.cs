using Cluster.Core.Runs;
using Cluster.Silo.Training;

namespace Cluster.Silo.Tests.Training;

public sealed class MetricsFileTests : IDisposable
{
    private readonly RunFolder _folder = new(Directory.CreateTempSubdirectory("cluster-metrics-").FullName);

    public void Dispose() => Directory.Delete(_folder.Path, recursive: true);

    [Fact]
    public void Append_AnotherHasTakenOver_OnlyItsLinesAreSeen()
    {
        using var hung = MetricsFile.Own(_folder);
        hung.Append(["one", "two"]);
        using var next = MetricsFile.Own(_folder);

        next.Append(["three"]);
        hung.Append(["three"]);
        next.Append(["four"]);

        Assert.Equal(["one", "two", "three", "four"], File.ReadAllLines(_folder.Metrics));
    }

    [Fact]
    public void Append_FileWasDeleted_BegunAgain()
    {
        using var metrics = MetricsFile.Own(_folder);
        metrics.Append(["one"]);
        File.Delete(_folder.Metrics);

        metrics.Append(["two"]);
        metrics.Append(["three"]);

        Assert.Equal(["two", "three"], File.ReadAllLines(_folder.Metrics));
    }
}
