using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;

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
    public void Schedule_Changes_HoldFromTheirStepAndLeaveWhatCameBefore()
    {
        var plain = new Schedule(s_recipe);
        var changed = new Schedule(s_recipe with
        {
            Changes =
            [
                new RecipeChange { FromStep = 100, LearningRate = 5e-4 },
                new RecipeChange { FromStep = 300, MicroBatches = 3 },
                new RecipeChange { FromStep = 500, Data = PhaseData.Best, MicroBatches = 1 },
                new RecipeChange { FromStep = 600, Data = PhaseData.All },
            ],
        });
        Assert.All(Enumerable.Range(0, 100), step => Assert.Equal(plain[step], changed[step]));
        Assert.Equal((5e-4, plain[100].FirstSample, plain[100].MicroBatches), (changed[100].LearningRate, changed[100].FirstSample, changed[100].MicroBatches));
        Assert.Equal((plain[300].FirstSample, 3), (changed[300].FirstSample, changed[300].MicroBatches));
        Assert.Equal(0, changed[500].FirstSample);
        // Half of the peak in every phase, the annealed ones too; the batch stays until a change says otherwise.
        Assert.Equal(plain[899].LearningRate / 2, changed[899].LearningRate, 1e-15);
        Assert.Equal(1, changed[999].MicroBatches);
        ScheduleStretch[] stretches =
        [
            new(0, 0, PhaseData.All), new(1, 1, PhaseData.All), new(1, 33, PhaseData.Best), new(1, 65, PhaseData.All),
            new(2, 2, PhaseData.All), new(3, 3, PhaseData.All),
        ];
        Assert.Equal(stretches, changed.Stretches);
    }

    [Fact]
    public void Schedule_AnyChanges_SamplesFollowEachOtherWithinAStretch()
    {
        var random = new Random(5);
        for (var round = 0; round < 50; round++)
        {
            var steps = random.Next(2, 400);
            var recipe = s_recipe with
            {
                Training = s_recipe.Training with { Steps = steps },
                Changes =
                [
                    .. Enumerable.Range(0, random.Next(8)).Select(_ => random.Next(1, steps)).Distinct().Order().Select(step => new RecipeChange
                    {
                        FromStep = step,
                        LearningRate = 1e-4,
                        MicroBatches = random.Next(2) == 0 ? null : random.Next(1, 4),
                        Data = random.Next(3) switch { 0 => null, 1 => PhaseData.Best, _ => PhaseData.All },
                    }),
                ],
            };
            recipe.Validate();
            var schedule = new Schedule(recipe);
            long next = 0, tokens = 0;
            for (var step = 0; step < steps; step++)
            {
                Assert.Equal(tokens, schedule.TokensUntil(step));
                var plan = schedule[step];
                if (step > 0 && schedule[step - 1].Stretch != plan.Stretch)
                    next = 0;
                Assert.Equal(next, plan.FirstSample);
                next += (long)plan.MicroBatches * plan.Sequences * recipe.Training.Lanes;
                tokens += (long)plan.MicroBatches * recipe.Training.Lanes * schedule.MicroBatchTokens;
            }

            Assert.Equal(tokens, schedule.TokensUntil(steps));
            Assert.Equal(tokens, Enumerable.Range(0, recipe.Phases.Count).Sum(schedule.TokensOf));
            Assert.Equal(schedule.Stretches.Count, schedule.Stretches.Select(s => s.Order).Distinct().Count());
        }
    }

    [Fact]
    public void HashAt_ChangeThatIsStillToCome_HasNoPart()
    {
        var changed = s_recipe with { Changes = [new RecipeChange { FromStep = 100, LearningRate = 5e-4 }] };
        Assert.Equal(RecipeJson.HashAt(s_recipe, StageNames.Pretraining, 100), RecipeJson.HashAt(changed, StageNames.Pretraining, 100));
        Assert.NotEqual(RecipeJson.HashAt(s_recipe, StageNames.Pretraining, 101), RecipeJson.HashAt(changed, StageNames.Pretraining, 101));
        Assert.NotEqual(RecipeJson.HashAt(s_recipe, StageNames.FineTuning, 1), RecipeJson.HashAt(changed, StageNames.FineTuning, 1));
    }

    [Theory]
    [InlineData("[{\"from_step\": 0, \"learning_rate\": 0.1}]", "changes[0].from_step is 0")]
    [InlineData("[{\"from_step\": 1000, \"learning_rate\": 0.1}]", "changes[0].from_step is 1000")]
    [InlineData("[{\"from_step\": 5}]", "changes[0] changes nothing")]
    [InlineData("[{\"from_step\": 5, \"learning_rate\": 0.1}, {\"from_step\": 5, \"micro_batches\": 2}]", "changes[1].from_step is 5, after 5")]
    [InlineData("[{\"from_step\": 5, \"micro_batches\": 0}]", "changes[0].micro_batches is 0")]
    public void Recipe_ChangeOutOfRange_NamesIt(string changes, string message)
    {
        var error = Assert.Throws<UserErrorException>(() => RecipeJson.With(s_recipe, ["changes=" + changes]));
        Assert.Contains(message, error.Message, StringComparison.Ordinal);
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
