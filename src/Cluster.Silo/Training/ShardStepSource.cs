using Cluster.Core.Recipes;
using Cluster.Data.Shards;
using Cluster.Model.Training;

namespace Cluster.Silo.Training;

/// <summary>
/// Pre-training's tokens: the schedule says which samples a step takes, a keyed permutation which window of the stream a sample is.
/// Window w of context T covers ids [w·T, w·T + T], the last one only as a target. Lane l of a step takes the step's samples l·k to
/// (l + 1)·k, k being its sequences.
/// </summary>
public sealed class ShardStepSource : IStepSource
{
    private readonly Recipe _recipe;
    private readonly Schedule _schedule;
    private readonly ShardReader[] _data;
    private readonly SampleOrder[] _orders;
    private readonly Lock _gate = new();

    /// <param name="recipe">A valid recipe.</param>
    /// <param name="dataOf">The stream that a kind of phase data means.</param>
    /// <exception cref="Core.Errors.UserErrorException">A phase's context is longer than its data.</exception>
    public ShardStepSource(Recipe recipe, Func<PhaseData, ShardReader> dataOf)
    {
        _recipe = recipe;
        _schedule = new Schedule(recipe);
        _data = [.. recipe.Phases.Select(p => dataOf(p.Data))];
        _orders = new SampleOrder[_data.Length];
        for (var phase = 0; phase < _data.Length; phase++)
        {
            var context = recipe.Model.Context * recipe.Phases[phase].ContextFactor;
            var windows = (_data[phase].Index.Tokens - 1) / context;
            if (windows < 1)
            {
                throw new Core.Errors.UserErrorException(
                    $"Phase {recipe.Phases[phase].Name} has sequences of {context} tokens, but its data holds only {_data[phase].Index.Tokens} tokens.",
                    "Give more text, or a smaller model.context.");
            }

            _orders[phase] = new SampleOrder(recipe.Seed, phase, windows);
        }
    }

    /// <inheritdoc/>
    public StepPlan Plan(long step)
    {
        var plan = _schedule[step];
        return new StepPlan(step, plan.LearningRate, (long)_schedule.MicroBatchTokens * plan.MicroBatches * _recipe.Training.Lanes);
    }

    /// <inheritdoc/>
    public IReadOnlyList<MicroBatch> Lane(long step, int lane)
    {
        var plan = _schedule[step];
        var batches = new MicroBatch[plan.MicroBatches];
        var window = new int[plan.Context + 1];
        var sample = plan.FirstSample + (long)lane * plan.MicroBatches * plan.Sequences;
        for (var b = 0; b < batches.Length; b++)
        {
            int[] tokens = new int[_schedule.MicroBatchTokens], targets = new int[_schedule.MicroBatchTokens];
            var mask = new byte[tokens.Length];
            Array.Fill(mask, (byte)1);
            for (var s = 0; s < plan.Sequences; s++)
            {
                _data[plan.Phase].Read(Window(plan.Phase, sample++) * plan.Context, window);
                window.AsSpan(0, plan.Context).CopyTo(tokens.AsSpan(s * plan.Context));
                window.AsSpan(1).CopyTo(targets.AsSpan(s * plan.Context));
            }

            batches[b] = new MicroBatch(tokens, targets, mask, plan.Context);
        }

        return batches;
    }

    private long Window(int phase, long sample)
    {
        // The order keeps its current epoch, so it is not for several threads at once.
        lock (_gate)
            return _orders[phase][sample];
    }
}
