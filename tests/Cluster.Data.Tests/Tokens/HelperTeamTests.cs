using Cluster.Data.Tokens;

namespace Cluster.Data.Tests.Tokens;

public sealed class HelperTeamTests
{
    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    public void Run_ManyJobs_EachShareIsDoneOnceBeforeItReturns(int helpers)
    {
        using var team = new HelperTeam(helpers);
        var done = new int[40];
        for (var job = 1; job <= 3_000; job++)
        {
            // More shares than threads, as many, and fewer; plain writes, so that what is read below was handed over.
            var shares = 1 + job % done.Length;
            Array.Clear(done);
            team.Run(shares, share => done[share] += share + job);
            for (var share = 0; share < done.Length; share++)
                Assert.Equal(share < shares ? share + job : 0, done[share]);
        }
    }

    [Fact]
    public void Run_SharesThatWaitForEachOther_AreDoneAtTheSameTime()
    {
        using var team = new HelperTeam(2);
        using var together = new Barrier(3);
        for (var job = 0; job < 20; job++)
            team.Run(3, _ => Assert.True(together.SignalAndWait(TimeSpan.FromMinutes(1))));
        Assert.Equal(20, together.CurrentPhaseNumber);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public void Run_AShareThrows_OthersAreDoneFirstAndTheTeamGoesOn(int helpers)
    {
        using var team = new HelperTeam(helpers);
        for (var job = 0; job < 200; job++)
        {
            var done = new int[5];
            void Share(int share)
            {
                done[share] = 1;
                if (share == job % 5)
                    throw new InvalidOperationException($"share {share}");
            }

            Assert.Equal($"share {job % 5}", Assert.Throws<InvalidOperationException>(() => team.Run(5, Share)).Message);
            Assert.Equal([1, 1, 1, 1, 1], done);
        }

        var after = new int[3];
        team.Run(3, share => after[share]++);
        Assert.Equal([1, 1, 1], after);
    }
}
