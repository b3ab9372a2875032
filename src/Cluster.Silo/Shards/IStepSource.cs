using Cluster.Model.Training;

namespace Cluster.Silo.Shards;

/// <summary>What one step needs besides its lanes' tokens; a pure function of recipe and step.</summary>
/// <param name="Step">Index from 0.</param>
/// <param name="LearningRate">Of this step.</param>
/// <param name="Tokens">Unmasked tokens of all lanes together; the loss is their mean.</param>
public sealed record StepPlan(long Step, double LearningRate, long Tokens);

/// <summary>The tokens of step s, lane l. The same for every replica that asks.</summary>
public interface IStepSource
{
    /// <summary>The plan of a step.</summary>
    StepPlan Plan(long step);

    /// <summary>A lane's micro-batches, in the order in which their gradients are added.</summary>
    IReadOnlyList<MicroBatch> Lane(long step, int lane);

    /// <summary>A lane's share of the validation, in micro-batches of the same shape; places without data are masked out.</summary>
    IReadOnlyList<MicroBatch> Validation(int lane);
}
