using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Data.Shards;
using Cluster.Model.Training;

namespace Cluster.Silo.Shards;

/// <summary>
/// Pre-training's tokens: the schedule says which samples a step takes, a keyed permutation which window of the stream a sample is.
/// Window w of context T covers ids [w·T, w·T + T], the last one only as a target. Lane l of a step takes the step's samples l·k to
/// (l + 1)·k, k being its sequences. Validation takes the windows of its own stream in order, the last one as short as it is.
/// </summary>
public sealed class PretrainingStepSource : IStepSource
{
    private readonly Recipe _recipe;
    private readonly Schedule _schedule;
    private readonly ShardReader[] _data;
    private readonly SampleOrder[] _orders;
    private readonly ShardReader _validation;
    private readonly ValidationSplit _split;
    private readonly Lock _gate = new();

    /// <param name="recipe">A resolved recipe.</param>
    /// <param name="dataOf">The stream that a kind of phase data means.</param>
    /// <param name="validation">The stream to validate on, at least 2 ids.</param>
    /// <exception cref="UserErrorException">A phase's context is longer than its data.</exception>
    public PretrainingStepSource(Recipe recipe, Func<PhaseData, ShardReader> dataOf, ShardReader validation)
    {
        (_recipe, _validation) = (recipe, validation);
        _schedule = new Schedule(recipe);
        _data = [.. _schedule.Stretches.Select(s => dataOf(s.Data))];
        _orders = new SampleOrder[_data.Length];
        for (var i = 0; i < _data.Length; i++)
        {
            var stretch = _schedule.Stretches[i];
            var context = recipe.Model.Context * recipe.Phases[stretch.Phase].ContextFactor;
            var windows = (_data[i].Index.Tokens - 1) / context;
            if (windows < 1)
            {
                throw new UserErrorException(
                    $"Phase {recipe.Phases[stretch.Phase].Name} has sequences of {context} tokens, but its data holds only {_data[i].Index.Tokens} tokens.",
                    "Give more text, or a smaller model.context.");
            }

            _orders[i] = new SampleOrder(recipe.Seed, stretch.Order, windows);
        }

        if (validation.Index.Tokens < 2)
            throw new UserErrorException($"The validation text holds only {validation.Index.Tokens} tokens.", "Give more text, or a larger corpus.validation_fraction.");
        _split = SplitOf(recipe, validation.Index.Tokens);
    }

    /// <summary>Tokens that a validation is the mean over: the targets 1 to n of the stream.</summary>
    /// <param name="recipe">A resolved recipe.</param>
    /// <param name="streamTokens">Ids of the validation stream.</param>
    internal static long ValidationTokens(Recipe recipe, long streamTokens) => Math.Min(
        streamTokens - 1, (long)SplitOf(recipe, streamTokens).BatchesPerLane * recipe.Training.Lanes * recipe.Training.MicroBatch * recipe.Model.Context);

    private static ValidationSplit SplitOf(Recipe recipe, long streamTokens) => new(
        (streamTokens - 2 + recipe.Model.Context) / recipe.Model.Context, recipe.Training.MicroBatch, recipe.Training.Lanes,
        recipe.Training.EvaluationTokens, recipe.Training.MicroBatch * recipe.Model.Context);

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
        var sample = plan.FirstSample + (long)lane * plan.MicroBatches * plan.Sequences;
        for (var b = 0; b < batches.Length; b++)
        {
            var batch = batches[b] = Empty(plan.Context);
            for (var s = 0; s < plan.Sequences; s++)
                Fill(batch, s, _data[plan.Stretch], Window(plan.Stretch, sample++));
        }

        return batches;
    }

    /// <inheritdoc/>
    public IReadOnlyList<MicroBatch> Validation(int lane)
    {
        var batches = new MicroBatch[_split.BatchesPerLane];
        for (var b = 0; b < batches.Length; b++)
        {
            batches[b] = Empty(_recipe.Model.Context);
            for (var s = 0; s < _recipe.Training.MicroBatch; s++)
            {
                if (_split.Holds(_split.First(lane, b) + s))
                    Fill(batches[b], s, _validation, _split.First(lane, b) + s);
            }
        }

        return batches;
    }

    private MicroBatch Empty(int context) =>
        new(new int[_schedule.MicroBatchTokens], new int[_schedule.MicroBatchTokens], new byte[_schedule.MicroBatchTokens], context);

    private static void Fill(MicroBatch batch, int sequence, ShardReader data, long window)
    {
        var length = (int)Math.Min(batch.Context, data.Index.Tokens - 1 - window * batch.Context);
        var place = sequence * batch.Context;
        data.Read(window * batch.Context, batch.Tokens.AsSpan(place, length));
        data.Read(window * batch.Context + 1, batch.Targets.AsSpan(place, length));
        batch.Mask.AsSpan(place, length).Fill(1);
    }

    private long Window(int stretch, long sample)
    {
        // The order keeps its current epoch, so it is not for several threads at once.
        lock (_gate)
            return _orders[stretch][sample];
    }
}
