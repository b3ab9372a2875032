using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Randomness;
using Cluster.Data.Files;
using Cluster.Data.Tests.Corpus;
using Cluster.Data.Tokens;

namespace Cluster.Data.Tests.Tokens;

/// <summary>The fast ways - sixteen characters at once, keys, tables, files - against the plain ones.</summary>
public sealed class PieceTests
{
    [Fact]
    public void FirstPiece_RandomAscii_EqualsFirstPieceLength()
    {
        var packed = 0;
        for (ulong stream = 0; stream < 60_000; stream++)
        {
            // Seven alphabets: any ASCII; white space and a letter; digits and a symbol; apostrophes; letters; line ends; and strays from outside.
            string[] alphabets = ["", " \t\r\n\va", "0123456789. ", "'sStTrRlLdD vem", "abcXYZ ", "\r\n .-a", "a1 .\né\u00A0\u0100\uFF41"];
            var random = new CounterRandom(21, RandomPurpose.Synthetic, stream);
            var alphabet = alphabets[stream % 7];
            var text = new string([.. Enumerable.Range(0, 16 + (int)(stream % 9)).Select(i =>
                alphabet.Length == 0 ? (char)random.Below((ulong)i, 128) : alphabet[(int)random.Below((ulong)i, (ulong)alphabet.Length)])]);
            var expected = PreTokenizer.FirstPieceLength(text);
            Assert.Equal(expected, PreTokenizer.FirstPiece(text, out var key));
            Assert.Equal(PieceKey.Of(text.AsSpan(0, expected)), key);
            if (!key.IsEmpty)
            {
                var bytes = new byte[16];
                Assert.Equal(text[..expected], Encoding.ASCII.GetString(bytes, 0, key.CopyTo(bytes)));
                packed++;
            }
        }

        Assert.True(packed > 30_000, $"only {packed} pieces have keys");
    }

    [Fact]
    public void FirstPiece_TrickyText_CutsAsThePatternDoes()
    {
        for (ulong stream = 0; stream < 2000; stream++)
        {
            var text = TrickyText.Make(stream, 60);
            var pieces = new List<string>();
            for (var rest = text.AsSpan(); !rest.IsEmpty; rest = rest[pieces[^1].Length..])
                pieces.Add(rest[..PreTokenizer.FirstPiece(rest, out _)].ToString());
            Assert.Equal(NaiveBytePair.Pieces(text), pieces);
        }
    }

    [Fact]
    public void Encode_MorePiecesThanTheCacheHolds_GivesTheSameIds()
    {
        // 200,000 different pieces push each other out of 131,072 places.
        var tokenizer = BytePairTokenizerTests.Trained(Segmentation.MergeOrder);
        var words = Enumerable.Range(0, 200_000).Select(i => " " + string.Concat($"{i:x}".Select(c => (char)(c + 'A' - '0'))) + (i % 3 == 0 ? "é" : "")).ToArray();
        var first = words.Select(word => tokenizer.Encode(word)).ToArray();
        for (var i = 0; i < words.Length; i += 100)
            Assert.Equal(NaiveBytePair.Encode(Encoding.UTF8.GetBytes(words[i]), tokenizer.Merges), first[i]);
        Assert.Equal(first.SelectMany(ids => ids), tokenizer.Encode(string.Concat(words)));
        Assert.Equal(first.SelectMany(ids => ids), tokenizer.Encode(string.Concat(words)));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(150)]
    public void TrainFromCounts_AnyNumberOfPartitions_LearnsWhatTrainLearns(int partitions)
    {
        using var folder = new TempFolder();
        var corpus = Enumerable.Range(0, 600).Select(i => BytePairTrainerTests.Letters((ulong)i, 100, 4) + TrickyText.Make((ulong)i, 10)).ToArray();
        var options = BytePairTrainerTests.Options(200) with { MemoryBytes = 1 << 22, ScratchFolder = folder.In("scratch") };
        Directory.CreateDirectory(folder.In("scratch"));
        var expected = BytePairTrainer.Train(corpus, BytePairTrainerTests.Options(200));
        var files = new List<string>();
        for (var partition = 0; partition < partitions; partition++)
        {
            using var counter = new PieceCounter(scratchFolder: folder.In("scratch"));
            foreach (var text in corpus.Where((_, i) => i % partitions == partition))
                counter.Add(text);
            files.Add(folder.In($"{partition}.counts"));
            counter.Save(files[^1]);
        }

        Assert.Equal(expected, BytePairTrainer.TrainFromCounts(files, options));
        Assert.Equal(expected, BytePairTrainer.TrainFromCounts([.. Enumerable.Reverse(files)], options));

        // Control: a partition that is missing shows.
        if (partitions > 1)
            Assert.NotEqual(expected, BytePairTrainer.TrainFromCounts(files[1..], options));
        Assert.Empty(Directory.GetFileSystemEntries(folder.In("scratch")));
    }

    [Fact]
    public void Train_LessMemoryThanPiecesNeed_LearnsTheSame()
    {
        // 150,000 different words; a table of them takes more than 10 MB.
        using var folder = new TempFolder();
        var random = new CounterRandom(5, RandomPurpose.Synthetic, 77);
        var corpus = Enumerable.Range(0, 50).Select(d => string.Concat(Enumerable.Range(0, 3000).Select(i => Word((ulong)(d * 3000 + i))))).ToArray();
        var options = BytePairTrainerTests.Options(400);
        var expected = BytePairTrainer.Train(corpus, options);
        Assert.Equal(400, expected.Length);
        foreach (var workers in new[] { 1, 3 })
            Assert.Equal(expected, BytePairTrainer.Train(corpus, options with { MemoryBytes = 1 << 22, Workers = workers, ScratchFolder = folder.Path }));
        Assert.Empty(Directory.GetFileSystemEntries(folder.Path));

        using var small = new PieceCounter(PieceCounter.SmallestMemory, folder.Path);
        using var large = new PieceCounter(1 << 30, folder.Path);
        foreach (var text in corpus)
        {
            small.Add(text);
            large.Add(text);
        }

        Assert.InRange(small.Spills, 5, 1000);
        Assert.Equal(0, large.Spills);
        small.Save(folder.In("small"));
        large.Save(folder.In("large"));
        Assert.Equal(File.ReadAllBytes(folder.In("large")), File.ReadAllBytes(folder.In("small")));

        string Word(ulong i) => string.Create(2 + (int)random.Below(2 * i, 9), random.UInt64(2 * i + 1), (span, bits) =>
        {
            span[0] = ' ';
            for (var k = 1; k < span.Length; k++)
                (span[k], bits) = ("abcdeé"[(int)(bits % 6)], bits / 6);
        });
    }

    [Fact]
    public void Add_CountsBeyondInt32_AreKept()
    {
        // What counted "ab" five billion times, and a file that says so again.
        using var folder = new TempFolder();
        foreach (var (name, count) in new[] { ("a", 5_000_000_000L), ("b", 4_000_000_000L) })
        {
            using var writer = new PieceCountFile.Writer(folder.In(name));
            writer.Add("ab"u8, count);
            writer.Add("cd"u8, 6_000_000_000L - count / 2);
            writer.Complete();
        }

        // 9.0 against 7.5 billion; in 32 bits they would be 410 and 3,205 million.
        Assert.Equal([new('a', 'b'), new('c', 'd')], BytePairTrainer.TrainFromCounts([folder.In("a"), folder.In("b")], BytePairTrainerTests.Options(5)));
    }

    [Fact]
    public void TrainFromCounts_DamagedFiles_AreNamed()
    {
        using var folder = new TempFolder();
        using (var counter = new PieceCounter())
        {
            counter.Add("some words to count, and some more words");
            counter.Save(folder.In("good"));
        }

        var good = File.ReadAllBytes(folder.In("good"));
        folder.Write("short", good[..^1]).Write("long", [.. good, 0]).Write("other", "not of ours").Write("zero", [.. good[..32], 0, .. good[33..]]);
        foreach (var name in new[] { "short", "long", "other", "zero", "missing" })
            Assert.Contains(folder.In(name), Assert.Throws<UserErrorException>(() => BytePairTrainer.TrainFromCounts([folder.In("good"), folder.In(name)], BytePairTrainerTests.Options(5))).What, StringComparison.Ordinal);
        Assert.Throws<UserErrorException>(() => new PieceCounter(1));
    }

    [Fact]
    public unsafe void Allocate_BeyondTheBudget_LiesInAFileAndIsZero()
    {
        using var folder = new TempFolder();
        using (var memory = new ScratchMemory(folder.Path, 1000))
        {
            var inside = memory.Allocate<long>(100);
            var outside = memory.Allocate<int>(10_000);
            Assert.Equal((200, 40_000), (memory.Left, memory.MappedBytes));
            for (var i = 0; i < 10_000; i++)
            {
                Assert.Equal(0, outside[i]);
                outside[i] = i;
            }

            Assert.Equal(0, inside[99]);
            Assert.Equal(9_999, outside[9_999]);
        }

        Assert.Empty(Directory.GetFiles(folder.Path));
    }
}
