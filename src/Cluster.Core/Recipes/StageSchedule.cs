using Cluster.Core.Runs;

namespace Cluster.Core.Recipes;

/// <summary>What one step of a training stage does, whatever the stage; a pure function of the recipe.</summary>
/// <param name="Step">Index from 0.</param>
/// <param name="Phase">Name of the phase.</param>
/// <param name="LearningRate">Absolute.</param>
/// <param name="Context">Tokens of one sequence.</param>
/// <param name="MicroBatches">Per lane.</param>
/// <param name="Tokens">Tokens that all lanes together compute, padding included.</param>
public sealed record StepOutline(long Step, string Phase, double LearningRate, int Context, int MicroBatches, long Tokens);

/// <summary>The steps of a training stage, and after which of them it halts for a validation or a checkpoint.</summary>
public abstract class StageSchedule
{
    private protected StageSchedule(int steps, int evaluateEvery, int checkpointEvery) =>
        (Steps, EvaluateEvery, CheckpointEvery) = (steps, evaluateEvery, checkpointEvery);

    /// <summary>In all.</summary>
    public int Steps { get; }

    /// <summary>Steps between validations; 0 for the end only.</summary>
    public int EvaluateEvery { get; }

    /// <summary>Steps between checkpoints; 0 for the end only.</summary>
    public int CheckpointEvery { get; }

    /// <summary>Tokens of one micro-batch, in every phase.</summary>
    public abstract int MicroBatchTokens { get; }

    /// <summary>The outline of a step.</summary>
    public abstract StepOutline this[long step] { get; }

    /// <summary>Tokens of the first <paramref name="steps"/> steps.</summary>
    public abstract long TokensUntil(long steps);

    /// <summary>The schedule of a stage.</summary>
    /// <param name="recipe">Resolved.</param>
    /// <param name="stage"><see cref="StageNames.Pretraining"/> or <see cref="StageNames.FineTuning"/>.</param>
    public static StageSchedule Of(Recipe recipe, string stage) => stage switch
    {
        StageNames.Pretraining => new PretrainingSchedule(recipe),
        StageNames.FineTuning => new FineTuningSchedule(recipe),
        _ => throw new ArgumentException($"{stage} is no training stage", nameof(stage)),
    };

    /// <summary>Whether the stage validates once this many steps are applied.</summary>
    public bool EvaluatesAt(long steps) => steps == Steps || (EvaluateEvery > 0 && steps > 0 && steps % EvaluateEvery == 0);

    /// <summary>Whether the stage saves a checkpoint once this many steps are applied.</summary>
    public bool SavesAt(long steps) => steps == Steps || (CheckpointEvery > 0 && steps > 0 && steps % CheckpointEvery == 0);

    /// <summary>The next number of applied steps, at most <paramref name="last"/>, at which the stage halts.</summary>
    public long NextHalt(long steps, long last)
    {
        var next = last;
        foreach (var every in (ReadOnlySpan<int>)[EvaluateEvery, CheckpointEvery])
        {
            if (every > 0)
                next = Math.Min(next, (steps / every + 1) * every);
        }

        return next;
    }
}

/// <summary>Pre-training's phases as a stage.</summary>
public sealed class PretrainingSchedule : StageSchedule
{
    private readonly Recipe _recipe;
    private readonly Schedule _schedule;

    /// <param name="recipe">A valid recipe.</param>
    public PretrainingSchedule(Recipe recipe)
        : base(recipe.Training.Steps, recipe.Training.EvaluateEvery, recipe.Training.CheckpointEvery) =>
        (_recipe, _schedule) = (recipe, new Schedule(recipe));

    /// <inheritdoc/>
    public override int MicroBatchTokens => _schedule.MicroBatchTokens;

    /// <inheritdoc/>
    public override StepOutline this[long step]
    {
        get
        {
            var plan = _schedule[step];
            return new StepOutline(step, _recipe.Phases[plan.Phase].Name, plan.LearningRate, plan.Context, plan.MicroBatches,
                (long)MicroBatchTokens * plan.MicroBatches * _recipe.Training.Lanes);
        }
    }

    /// <inheritdoc/>
    public override long TokensUntil(long steps) => _schedule.TokensUntil(steps);
}

/// <summary>Fine-tuning as a stage: a rise, then a straight fall.</summary>
/// <param name="recipe">A resolved recipe.</param>
public sealed class FineTuningSchedule(Recipe recipe)
    : StageSchedule(recipe.FineTuning.Steps, recipe.FineTuning.EvaluateEvery, recipe.FineTuning.CheckpointEvery)
{
    private readonly FineTuningRecipe _recipe = recipe.FineTuning;

    /// <summary>Rows that all lanes together take in one step.</summary>
    public int RowsPerStep => _recipe.MicroBatch * recipe.Training.Lanes;

    /// <inheritdoc/>
    public override int MicroBatchTokens => _recipe.MicroBatch * _recipe.RowLength;

    /// <inheritdoc/>
    public override StepOutline this[long step]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(step);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(step, Steps);
            var rise = _recipe.WarmUp * Steps;
            var share = step + 1 < rise
                ? (step + 1) / rise
                : 1 + (_recipe.RateEnd - 1) * Math.Clamp((step + 1 - rise) / Math.Max(1, Steps - rise), 0, 1);
            return new StepOutline(step, "dialogue", _recipe.LearningRate * share, _recipe.RowLength, 1, (long)RowsPerStep * _recipe.RowLength);
        }
    }

    /// <inheritdoc/>
    public override long TokensUntil(long steps) => steps * RowsPerStep * _recipe.RowLength;
}
