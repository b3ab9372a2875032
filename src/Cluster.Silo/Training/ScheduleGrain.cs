using Cluster.Contracts.Training;
using Cluster.Core.Recipes;
using Orleans.Placement;

namespace Cluster.Silo.Training;

/// <summary>What a new activation needs to answer alike.</summary>
[GenerateSerializer]
public sealed record ScheduleState
{
    /// <summary>The job whose schedule this is.</summary>
    [Id(0)]
    public TrainingJob? Job { get; set; }
}

/// <inheritdoc cref="IScheduleGrain"/>
[KeepAlive, PreferLocalPlacement]
public sealed class ScheduleGrain([PersistentState("schedule")] IPersistentState<ScheduleState> state) : Grain, IScheduleGrain
{
    private StageSchedule? _schedule;

    private StageSchedule Schedule => _schedule ??= state.State.Job is { } job
        ? StageSchedule.Of(RecipeJson.Parse(job.RecipeJson, "The job's recipe"), job.Stage)
        : throw new InvalidOperationException($"The schedule of {this.GetPrimaryKeyString()} is not open.");

    /// <inheritdoc/>
    public Task OpenAsync(TrainingJob job)
    {
        (_schedule, state.State.Job) = (null, job);
        return state.WriteStateAsync();
    }

    /// <inheritdoc/>
    public Task<StepMessage> GetStepAsync(long step)
    {
        var outline = Schedule[step];
        return Task.FromResult(new StepMessage(
            step, outline.Phase, outline.LearningRate, outline.Context, outline.MicroBatches, outline.Tokens, Schedule.TokensUntil(step)));
    }

    /// <inheritdoc/>
    public Task<HaltMessage> GetHaltAsync(long steps, long last)
    {
        var halt = Schedule.NextHalt(steps, last);
        return Task.FromResult(new HaltMessage(halt, Schedule.EvaluatesAt(halt), Schedule.SavesAt(halt)));
    }
}
