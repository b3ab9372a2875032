// A replica's view of the stage's ShardGrain. Enters: step and lane, on the compute thread. Leaves: micro-batches.
// Does not know: files. The next step's tokens of a lane are asked for while this step's are worked on.
using System.Collections.Concurrent;
using Cluster.Contracts.Shards;
using Cluster.Core.Recipes;
using Cluster.Model.Training;
using Cluster.Silo.Training;

namespace Cluster.Silo.Shards;

/// <param name="shards">The stage's grain.</param>
/// <param name="line">The silo's way to it, for what every step needs.</param>
/// <param name="schedule">The stage's schedule; rates need no call.</param>
internal sealed class ShardGrainSource(IShardGrain shards, ShardLine line, StageSchedule schedule) : IStepSource
{
    private readonly ConcurrentDictionary<(long Step, int Lane), Task<LaneTokens>> _ahead = new();
    private StepPlan? _plan;

    public StepPlan Plan(long step)
    {
        if (_plan?.Step != step)
            _plan = new StepPlan(step, schedule[step].LearningRate, line.GetTokensAsync(step).GetAwaiter().GetResult());
        return _plan;
    }

    public IReadOnlyList<MicroBatch> Lane(long step, int lane)
    {
        foreach (var old in _ahead.Keys)
        {
            if (old.Step < step)
                _ahead.TryRemove(old, out _);
        }

        var tokens = _ahead.TryRemove((step, lane), out var asked) && asked.IsCompletedSuccessfully
            ? asked.Result
            : line.GetAsync(step, lane).GetAwaiter().GetResult();
        if (step + 1 < schedule.Steps)
            _ahead.TryAdd((step + 1, lane), line.GetAsync(step + 1, lane));
        return [.. tokens.Batches.Select(b => b.ToRecord())];
    }

    public IReadOnlyList<MicroBatch> Validation(int lane) => [.. Get(() => shards.GetValidationAsync(lane)).Batches.Select(b => b.ToRecord())];

    /// <summary>Calls from the compute thread, which has nothing else to do meanwhile; a grain that moves is asked again.</summary>
    private static T Get<T>(Func<Task<T>> call) => GrainCalls.RetryAsync(call, CancellationToken.None).GetAwaiter().GetResult();
}
