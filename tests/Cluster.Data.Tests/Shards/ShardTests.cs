using Cluster.Core.Errors;
using Cluster.Data.Shards;

namespace Cluster.Data.Tests.Shards;

public sealed class ShardTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("shards").FullName;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Theory]
    [InlineData(60_000)]
    [InlineData(70_000)]
    public void Read_AcrossFiles_GivesWhatWasWritten(int vocabulary)
    {
        var ids = Enumerable.Range(0, 1_000).Select(i => i * 59 % vocabulary).ToArray();
        using var reader = Write(vocabulary, ids);
        Assert.Equal(8, reader.Index.Files.Count);
        Assert.Equal(vocabulary > 65_536 ? 4 : 2, reader.Index.TokenBytes);
        reader.Verify();
        foreach (var (offset, count) in new[] { (0, 1_000), (127, 2), (128, 128), (999, 1), (500, 300) })
        {
            var read = new int[count];
            reader.Read(offset, read);
            Assert.Equal(ids[offset..(offset + count)], read);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => reader.Read(990, new int[11]));
    }

    [Fact]
    public void ReadRow_Rows_GivesIdsAndMask()
    {
        var path = Path.Combine(_folder, "rows");
        using (var writer = new ShardWriter(path, ShardLayout.Rows, 100, "t", rowLength: 4, tokensPerFile: 9))
        {
            for (var row = 0; row < 5; row++)
                writer.AppendRow([row, row + 1, row + 2, row + 3], [0, 0, 1, (byte)(row % 2)]);
            writer.Complete();
        }

        using var reader = ShardReader.Open(path);
        reader.Verify();
        var ids = new int[4];
        var mask = new byte[4];
        reader.ReadRow(3, ids, mask);
        Assert.Equal([3, 4, 5, 6], ids);
        Assert.Equal([0, 0, 1, 1], mask);
        Assert.Equal(3, reader.Index.Files.Count);
    }

    [Fact]
    public void Open_TruncatedFile_NamesIt()
    {
        Write(100, [.. Enumerable.Range(0, 50)]).Dispose();
        var file = Path.Combine(_folder, "data", "00000.ids");
        using (var stream = File.OpenWrite(file))
            stream.SetLength(99);
        var error = Assert.Throws<UserErrorException>(() => ShardReader.Open(Path.Combine(_folder, "data")));
        Assert.Contains("00000.ids", error.Message, StringComparison.Ordinal);
        Assert.Contains("99 bytes where the index says 100", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Verify_ChangedByte_NamesFileAndHashes()
    {
        Write(100, [.. Enumerable.Range(0, 50)]).Dispose();
        var file = Path.Combine(_folder, "data", "00000.ids");
        var bytes = File.ReadAllBytes(file);
        bytes[10] ^= 1;
        File.WriteAllBytes(file, bytes);
        using var reader = ShardReader.Open(Path.Combine(_folder, "data"));
        Assert.Contains("SHA-256", Assert.Throws<UserErrorException>(reader.Verify).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{")]
    [InlineData("null")]
    [InlineData("""{"version": 1}""")]
    public void Open_BrokenIndex_NamesIt(string json)
    {
        Write(100, [1]).Dispose();
        File.WriteAllText(Path.Combine(_folder, "data", "index.json"), json);
        Assert.Contains("index.json", Assert.Throws<UserErrorException>(() => ShardReader.Open(Path.Combine(_folder, "data"))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Dispose_WithoutComplete_LeavesWhatWasThere()
    {
        Write(100, [1, 2, 3]).Dispose();
        using (var writer = new ShardWriter(Path.Combine(_folder, "data"), ShardLayout.Stream, 100, "t"))
            writer.Append([9, 9]);
        using var reader = ShardReader.Open(Path.Combine(_folder, "data"));
        Assert.Equal(3, reader.Index.Tokens);
        Assert.Single(Directory.GetDirectories(_folder));
    }

    [Fact]
    public void Append_IdOutsideVocabulary_Throws()
    {
        using var writer = new ShardWriter(Path.Combine(_folder, "data"), ShardLayout.Stream, 100, "t");
        Assert.Throws<ArgumentOutOfRangeException>(() => writer.Append([100]));
    }

    private ShardReader Write(int vocabulary, int[] ids)
    {
        using var writer = new ShardWriter(Path.Combine(_folder, "data"), ShardLayout.Stream, vocabulary, "t", tokensPerFile: 128);
        foreach (var document in ids.Chunk(70))
            writer.Append(document);
        writer.Complete();
        return ShardReader.Open(Path.Combine(_folder, "data"));
    }
}
