using Cluster.Silo.Runs;
using CsCheck;

namespace Cluster.Silo.Tests.Runs;

public class LineLogTests
{
    [Fact]
    public void From_BelowTheLimit_EveryLineInOrder()
    {
        var log = Filled(new LineLog(10), 10);

        var first = log.From(0, 4);
        var second = log.From(first.Next, 100);

        Assert.Equal(["0", "1", "2", "3"], first.Lines);
        Assert.Equal(4, first.Next);
        Assert.Equal(["4", "5", "6", "7", "8", "9"], second.Lines);
        Assert.Equal(10, second.Next);
    }

    [Fact]
    public void Add_BeyondTheLimit_EverySecondOlderLineStays()
    {
        var log = Filled(new LineLog(8), 10);

        Assert.Equal(["0", "2", "4", "6", "8", "9"], log.From(0, 100).Lines);
        Assert.Equal(10, log.Added);
    }

    [Fact]
    public void From_PlaceOfALineThinnedOut_GoesOnAfterIt()
    {
        var log = Filled(new LineLog(8), 10);

        Assert.Equal(["4", "6", "8", "9"], log.From(3, 100).Lines);
    }

    [Fact]
    public void Add_PreciousLines_OutliveTheOthers()
    {
        var log = new LineLog(8, line => line.StartsWith('v'));
        foreach (var line in new[] { "0", "v1", "2", "v3", "4", "5", "6", "7", "8" })
            log.Add(line);

        Assert.Equal(["0", "v1", "v3", "4", "6", "8"], log.From(0, 100).Lines);
    }

    [Fact]
    public void Add_OnlyPreciousLines_StaysWithinTheLimit()
    {
        var log = Filled(new LineLog(8, _ => true), 1_000);

        Assert.InRange(log.Kept, 1, 8);
    }

    [Fact]
    public void From_WhateverWasAddedAndRead_ReaderSeesEachKeptLineOnce() => Gen.Select(Gen.Int[2, 40], Gen.Int[0, 300], Gen.Int[1, 50]).Sample((limit, count, most) =>
    {
        var log = Filled(new LineLog(limit, line => line.EndsWith('7')), count);
        var read = new List<string>();
        for (var next = 0L; next < log.Added;)
        {
            var stretch = log.From(next, most);
            Assert.InRange(stretch.Lines.Count, 0, most);
            Assert.True(stretch.Next > next);
            read.AddRange(stretch.Lines);
            next = stretch.Next;
        }

        Assert.InRange(log.Kept, 0, limit);
        Assert.Equal(log.From(0, int.MaxValue).Lines, read);
        Assert.Equal(read.Select(int.Parse).Order(), read.Select(int.Parse));
        if (count > 0)
            Assert.Equal($"{count - 1}", read[^1]);
    });

    private static LineLog Filled(LineLog log, int count)
    {
        for (var index = 0; index < count; index++)
            log.Add($"{index}");
        return log;
    }
}
