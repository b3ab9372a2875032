using Cluster.Inference.Managed;

namespace Cluster.Inference.Tests.Managed;

public class ThreadTeamTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(7)]
    public void Barrier_ManyTimes_EverybodySeesWhatAllWroteBefore(int threads)
    {
        const int steps = 300;
        var written = new int[threads];
        var wrong = 0;
        ThreadTeam? team = null;
        using (team = new ThreadTeam(threads, thread =>
        {
            for (var step = 1; step <= steps; step++)
            {
                written[thread]++;
                team!.Barrier(thread);
                var sum = written.Sum();
                team.Barrier(thread);
                if (sum % (threads * steps) != threads * step % (threads * steps))
                    Interlocked.Increment(ref wrong);
            }
        }))
        {
            for (var run = 0; run < 5; run++)
                team.Run(alone: false);
            Assert.Equal(Enumerable.Repeat(5 * steps, threads), written);
        }

        Assert.Equal(0, wrong);
    }

    [Fact]
    public void Run_AloneInBetween_OthersTakeNoPart()
    {
        var calls = new int[3];
        using var team = new ThreadTeam(3, thread => calls[thread]++);
        foreach (var alone in (bool[])[true, false, true, true, false])
            team.Run(alone);
        Assert.Equal([5, 2, 2], calls);
    }

    [Fact]
    public void Choice_FasterWay_IsTakenAndTheOtherTriedEverLessOften()
    {
        var choice = new ThreadChoice();
        int Tries(int passes, double together, double alone)
        {
            var count = 0;
            for (var i = 0; i < passes; i++)
            {
                var answer = choice.Alone(1);
                choice.Took(1, answer, answer ? alone : together);
                count += answer ? 1 : 0;
            }

            return count;
        }

        // Together is the way to begin, and twice as fast.
        Assert.Equal(0, Tries(ThreadChoice.FirstInterval - 1, 1, 2));
        Assert.InRange(Tries(10_000, 1, 2), 8, 20);
        // The cores are wanted elsewhere: alone after a few passes, together hardly ever.
        Assert.InRange(Tries(5_000, 30, 2), 4_970, 4_995);
        // They are free again: found out at the next try.
        Assert.InRange(Tries(5_000, 1, 2), 0, 1_400);
    }

    [Fact]
    public void Choice_OnePassInterrupted_IsForgotten()
    {
        var choice = new ThreadChoice();
        for (var i = 0; i < 200; i++)
            choice.Took(4, choice.Alone(4), 1);
        choice.Took(4, false, 1_000);
        var alone = 0;
        for (var i = 0; i < 200; i++)
        {
            var answer = choice.Alone(4);
            choice.Took(4, answer, answer ? 2 : 1);
            alone += answer ? 1 : 0;
        }

        Assert.InRange(alone, 1, 40);
    }
}
