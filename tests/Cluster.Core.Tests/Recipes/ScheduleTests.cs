using Cluster.Core.Recipes;

namespace Cluster.Core.Tests.Recipes;

public class ScheduleTests
{
    private static readonly Recipe s_recipe = new() { Training = new TrainingRecipe { Steps = 1_000, Lanes = 6, MicroBatch = 4, LearningRate = 1e-3 } };

    [Fact]
    public void Schedule_DefaultPhases_RatesAndBoundaries()
    {
        var schedule = new Schedule(s_recipe);
        Assert.Equal([(0, 10), (10, 800), (800, 900), (900, 1_000)], Enumerable.Range(0, 4).Select(schedule.PhaseSteps));
        Assert.Equal(1e-4, schedule[0].LearningRate, 1e-12);
        Assert.Equal(1e-3, schedule[9].LearningRate, 1e-12);
        Assert.Equal(1e-3, schedule[799].LearningRate, 1e-12);
        Assert.Equal(5.5e-4, schedule[849].LearningRate, 1e-12);
        Assert.Equal(1e-4, schedule[899].LearningRate, 1e-12);
        Assert.Equal(1e-4, schedule[999].LearningRate, 1e-12);
        Assert.Equal((1, 2), (schedule[10].MicroBatches, schedule[799].MicroBatches));
        Assert.Equal((256, 4), (schedule[899].Context, schedule[899].Sequences));
        Assert.Equal((512, 2), (schedule[900].Context, schedule[900].Sequences));
    }

    [Theory]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(100)]
    [InlineData(1_000)]
    public void Schedule_AnyLength_SamplesFollowEachOtherWithoutGap(int steps)
    {
        var recipe = s_recipe with { Training = s_recipe.Training with { Steps = steps }, Phases = [.. PhaseRecipe.Default.Select(p => p with { MicroBatchesEnd = p.MicroBatchesStart + 2 })] };
        var schedule = new Schedule(recipe);
        for (var phase = 0; phase < recipe.Phases.Count; phase++)
        {
            var (start, end) = schedule.PhaseSteps(phase);
            long next = 0;
            for (var step = start; step < end; step++)
            {
                var plan = schedule[step];
                Assert.Equal(next, plan.FirstSample);
                next += (long)plan.MicroBatches * plan.Sequences * recipe.Training.Lanes;
            }

            Assert.Equal(next, schedule.SamplesOf(phase));
        }

        Assert.Equal(steps, schedule.PhaseSteps(recipe.Phases.Count - 1).End);
    }

    [Fact]
    public void SampleOrder_EachEpoch_EverySampleOnceInAnotherOrder()
    {
        var order = new SampleOrder(1, 0, 500);
        long[] first = [.. Enumerable.Range(0, 500).Select(i => order[i])], second = [.. Enumerable.Range(500, 500).Select(i => order[i])];
        Assert.Equal(Enumerable.Range(0, 500).Select(i => (long)i), first.Order());
        Assert.Equal(first.Order(), second.Order());
        Assert.NotEqual(first, second);
        Assert.NotEqual(first, Enumerable.Range(0, 500).Select(i => new SampleOrder(1, 1, 500)[i]));
        Assert.Equal(first[3], order[3]);
    }
}
