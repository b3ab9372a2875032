using System.Text;
using Cluster.Core.Errors;
using Cluster.Data.Files;
using Cluster.Data.Tokens;
using CsCheck;

namespace Cluster.Data.Tests.Tokens;

public sealed class MergeLearnerTests
{
    // Two letters make runs and overlaps ("aaaa", "abab"), few counts make ties, large ones need 64 bits.
    private static readonly Gen<(byte[] Bytes, long Count)[]> Pieces = Gen.Select(
        Gen.OneOf(Gen.Byte[(byte)'a', (byte)'b'], Gen.Byte[(byte)'a', (byte)'e'], Gen.Byte).Array[0, 24],
        Gen.OneOf(Gen.Long[1, 3], Gen.Long[1, 1_000], Gen.Long[1L << 31, 1L << 40])).Array[0, 30];

    public static TheoryData<int, int> ThreadsAndPieces() => new() { { 1, 1 }, { 2, 1 }, { 3, 1 }, { 8, 1 }, { 2, 4 }, { 8, 3 } };

    [Theory]
    [MemberData(nameof(ThreadsAndPieces))]
    public void Learn_AnyPieces_EqualsTheNaiveTrainer(int threads, int piecesPerShare) =>
        Gen.Select(Pieces, Gen.Int[0, 40], Gen.OneOf(Gen.Const(1L), Gen.Const(2L), Gen.Long[3, 1L << 33])).Sample(
            (pieces, merges, minimumCount) => Assert.Equal(
                NaiveBytePair.Train(pieces, merges, minimumCount), Learn(pieces, merges, minimumCount, threads, piecesPerShare)),
            iter: 100, threads: 1, seed: "0000KOIPe036");

    [Theory]
    [MemberData(nameof(ThreadsAndPieces))]
    public void Learn_RunsOfOneLetter_EqualsTheNaiveTrainer(int threads, int piecesPerShare)
    {
        // Runs of every length around the widths of vectors; a run's tail merges with the made token in all ways.
        for (var length = 1; length <= 40; length++)
        {
            (byte[], long)[] pieces =
            [
                .. Enumerable.Range(1, length).Select(n => (Encoding.UTF8.GetBytes(new string('a', n)), (long)n)),
                (Encoding.UTF8.GetBytes($"x{new string('a', length)}y"), 3),
                (Encoding.UTF8.GetBytes(string.Concat(Enumerable.Repeat("ab", length))), 2),
            ];
            Assert.Equal(NaiveBytePair.Train(pieces, 30, 1), Learn(pieces, 30, 1, threads, piecesPerShare));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(8)]
    public void Learn_NothingToMerge_LearnsNothing(int threads)
    {
        Assert.Empty(Learn([], 10, 1, threads, 1));
        Assert.Empty(Learn([([], 5), ("a"u8.ToArray(), 9)], 10, 1, threads, 1));
        Assert.Empty(Learn([("ab"u8.ToArray(), 1)], 10, 2, threads, 1));
        Assert.Empty(Learn([("ab"u8.ToArray(), 9)], 0, 2, threads, 1));
        Assert.Equal([new('a', 'b')], Learn([("ab"u8.ToArray(), 9)], 10, 2, threads, 1));
    }

    [Fact]
    public void Learn_ThousandsOfPieces_AnyNumberOfThreadsLearnsTheSame()
    {
        // Enough for several shares of the size that training uses, and blocks of pieces in each.
        (byte[], long)[] pieces =
        [
            .. Enumerable.Range(0, 9_000).Select(i => (Encoding.UTF8.GetBytes(BytePairTrainerTests.Letters((ulong)i, 6 + i % 20, 4)), 1 + i % 7L)),
        ];
        var one = Learn(pieces, 500, 2, 1, MergeLearner.PiecesPerShare);
        Assert.Equal(NaiveBytePair.Train(pieces, 30, 2), one[..30]);
        foreach (var threads in new[] { 2, 3, 8 })
        {
            Assert.Equal(one, Learn(pieces, 500, 2, threads, MergeLearner.PiecesPerShare));
            Assert.Equal(one, Learn(pieces, 500, 2, threads, 16));
        }

        // Control: one piece less shows.
        Assert.NotEqual(one, Learn(pieces[1..], 500, 2, 3, 16));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void Learn_NoMemoryToSpare_LearnsTheSameFromFiles(int threads)
    {
        (byte[], long)[] pieces =
        [
            .. Enumerable.Range(0, 3_000).Select(i => (Encoding.UTF8.GetBytes(BytePairTrainerTests.Letters((ulong)i, 20, 3)), 1L)),
        ];
        Assert.Equal(Learn(pieces, 200, 2, 1, 16), Learn(pieces, 200, 2, threads, 16, memoryBytes: 100_000));
    }

    [Fact]
    public void Constructor_MorePiecesThanNumbers_NamesTheRemedy()
    {
        using var scratch = new Scratch(null);
        using var memory = new ScratchMemory(scratch.Path, 1 << 20);
        var error = Assert.Throws<UserErrorException>(() => new MergeLearner(2_000_000_000, 5_179_869_180, 5, 1, memory));
        Assert.Contains("2000000000 different pieces of 5179869180 bytes", error.What, StringComparison.Ordinal);
        Assert.Contains("fewer than 17179869180", error.Remedy, StringComparison.Ordinal);
    }

    [Fact]
    public void Learn_Cancelled_Throws() => Assert.Throws<OperationCanceledException>(() =>
    {
        using var scratch = new Scratch(null);
        using var memory = new ScratchMemory(scratch.Path, 1 << 20);
        using var learner = new MergeLearner(1, 2, 5, 2, memory);
        learner.Add("ab"u8, 5);
        learner.Learn(2, new CancellationToken(canceled: true));
    });

    private static Merge[] Learn(
        (byte[] Bytes, long Count)[] pieces, int merges, long minimumCount, int threads, int piecesPerShare, long memoryBytes = 1 << 24)
    {
        using var scratch = new Scratch(null);
        using var memory = new ScratchMemory(scratch.Path, memoryBytes);
        var length = pieces.Sum(piece => (long)piece.Bytes.Length);
        using var learner = new MergeLearner(pieces.Length, length, merges, threads, memory, piecesPerShare);
        foreach (var (bytes, count) in pieces)
            learner.Add(bytes, count);
        var learnt = learner.Learn(minimumCount, CancellationToken.None);
        Assert.Equal(memoryBytes < 1 << 20, memory.MappedBytes > 0);
        return learnt;
    }
}
