using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Data.Shards;
using Cluster.Model.Training;

namespace Cluster.Silo.Shards;

/// <summary>
/// Fine-tuning's tokens: a keyed permutation says which row a sample is; lane l of a step takes rows l·k to (l + 1)·k of the step's,
/// k being those of a micro-batch. A row holds one id more than the model sees: the last is only a target. The loss of a step is the
/// mean over its assistants' tokens, however they fall on lanes.
/// </summary>
public sealed class DialogueStepSource : IStepSource
{
    private readonly FineTuningRecipe _recipe;
    private readonly FineTuningSchedule _schedule;
    private readonly ShardReader _rows, _validation;
    private readonly SampleOrder _order;
    private readonly ValidationSplit _split;
    private readonly int _lanes;
    private readonly Lock _gate = new();

    /// <param name="recipe">A resolved recipe.</param>
    /// <param name="rows">Training conversations, <c>row_length</c> + 1 ids a row.</param>
    /// <param name="validation">Held-out ones.</param>
    /// <exception cref="UserErrorException">There are no conversations.</exception>
    public DialogueStepSource(Recipe recipe, ShardReader rows, ShardReader validation)
    {
        (_recipe, _rows, _validation, _lanes) = (recipe.FineTuning, rows, validation, recipe.Training.Lanes);
        _schedule = new FineTuningSchedule(recipe);
        foreach (var (data, name) in ((ShardReader, string)[])[(rows, "training"), (validation, "validation")])
        {
            if (data.Index.Documents < 1)
                throw new UserErrorException($"The corpus gives no {name} conversations.", "Set fine_tuning.steps=0, or give text with questions or headings.");
            if (data.Index.RowLength != _recipe.RowLength + 1)
                throw new ArgumentException($"rows of {data.Index.RowLength} ids for a row_length of {_recipe.RowLength}", nameof(recipe));
        }

        // Phases of pre-training have the streams before this one.
        _order = new SampleOrder(recipe.Seed, recipe.Phases.Count, rows.Index.Documents);
        _split = new ValidationSplit(validation.Index.Documents, _recipe.MicroBatch, _lanes, recipe.Training.EvaluationTokens, _schedule.MicroBatchTokens);
    }

    /// <inheritdoc/>
    public StepPlan Plan(long step)
    {
        long tokens = 0;
        for (var lane = 0; lane < _lanes; lane++)
            tokens += Lane(step, lane)[0].Mask.Count(m => m != 0);
        return new StepPlan(step, _schedule[step].LearningRate, Math.Max(1, tokens));
    }

    /// <inheritdoc/>
    public IReadOnlyList<MicroBatch> Lane(long step, int lane)
    {
        var batch = Empty();
        var first = step * _schedule.RowsPerStep + (long)lane * _recipe.MicroBatch;
        for (var r = 0; r < _recipe.MicroBatch; r++)
        {
            long row;
            // The order keeps its current epoch, so it is not for several threads at once.
            lock (_gate)
                row = _order[first + r];
            Fill(batch, r, _rows, row);
        }

        return [batch];
    }

    /// <inheritdoc/>
    public IReadOnlyList<MicroBatch> Validation(int lane)
    {
        var batches = new MicroBatch[_split.BatchesPerLane];
        for (var b = 0; b < batches.Length; b++)
        {
            batches[b] = Empty();
            for (var r = 0; r < _recipe.MicroBatch; r++)
            {
                if (_split.Holds(_split.First(lane, b) + r))
                    Fill(batches[b], r, _validation, _split.First(lane, b) + r);
            }
        }

        return batches;
    }

    private MicroBatch Empty() =>
        new(new int[_schedule.MicroBatchTokens], new int[_schedule.MicroBatchTokens], new byte[_schedule.MicroBatchTokens], _recipe.RowLength);

    private void Fill(MicroBatch batch, int place, ShardReader data, long row)
    {
        var length = _recipe.RowLength;
        var ids = new int[length + 1];
        var mask = new byte[length + 1];
        data.ReadRow(row, ids, mask);
        ids.AsSpan(0, length).CopyTo(batch.Tokens.AsSpan(place * length));
        ids.AsSpan(1).CopyTo(batch.Targets.AsSpan(place * length));
        mask.AsSpan(1).CopyTo(batch.Mask.AsSpan(place * length));
    }
}
