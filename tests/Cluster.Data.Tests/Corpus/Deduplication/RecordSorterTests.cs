using Cluster.Core.Randomness;
using Cluster.Data.Corpus.Deduplication;

namespace Cluster.Data.Tests.Corpus.Deduplication;

public sealed class RecordSorterTests
{
    [Theory]
    [InlineData(1L << 30, 0)]
    [InlineData(1L << 16, 10)]
    [InlineData(1L << 12, 300)]
    public void Sorted_AnyBudget_GivesTheRecordsInOrder(long memory, int atLeastSpills)
    {
        using var folder = new TempFolder();
        var random = new CounterRandom(1, RandomPurpose.Synthetic, 5);
        var records = Enumerable.Range(0, 100_000).Select(i => random.Below((ulong)i, 60_000)).ToArray();
        using (var sorter = new RecordSorter<ulong>(folder.Path, memory))
        {
            foreach (var record in records)
                sorter.Add(record);
            Assert.Equal(records.Order(), sorter.Sorted());
            Assert.Equal(records.Length, sorter.Count);
            Assert.True(sorter.Spills >= atLeastSpills, $"{sorter.Spills} spills");
        }

        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Sorted_LeftEarly_LeavesNoFile()
    {
        using var folder = new TempFolder();
        using (var sorter = new RecordSorter<int>(folder.Path, 1 << 12))
        {
            for (var i = 0; i < 5000; i++)
                sorter.Add(-i);
            Assert.Equal(-4999, sorter.Sorted().First());
        }

        Assert.Empty(Directory.GetFiles(folder.Path));
    }

    [Fact]
    public void Sorted_NoRecords_IsEmpty()
    {
        using var sorter = new RecordSorter<int>(Path.GetTempPath(), 1 << 12);
        Assert.Empty(sorter.Sorted());
    }
}
