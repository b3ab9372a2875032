using Cluster.Core.Errors;

namespace Cluster.Core.Recipes;

/// <summary>
/// What pre-training does differently from a step on, until a later change says otherwise. Changes are part of the recipe, so a run that
/// was steered on its way is reproduced by its recipe alone; what came before a change does not depend on it.
/// </summary>
public sealed record RecipeChange
{
    /// <summary>Steps applied before it holds, 1 to training.steps − 1.</summary>
    public long FromStep { get; init; }

    /// <summary>Peak learning rate, above 0 and at most 1; phases still scale it. Null leaves it.</summary>
    public double? LearningRate { get; init; }

    /// <summary>Micro-batches per lane and step in every phase, 1–4,096. Null leaves the phases' own.</summary>
    public int? MicroBatches { get; init; }

    /// <summary>
    /// Which documents every phase reads. Null leaves the phases' own. Reading begins anew: the samples of a phase from there on are a
    /// permutation of their own.
    /// </summary>
    public PhaseData? Data { get; init; }

    internal void Validate(int index, Recipe recipe)
    {
        Limits.Check($"changes[{index}].from_step", FromStep, 1, Math.Max(1, recipe.Training.Steps - 1));
        if (LearningRate is { } rate)
            Limits.Check($"changes[{index}].learning_rate", rate, double.Epsilon, 1);
        if (MicroBatches is { } batches)
            Limits.Check($"changes[{index}].micro_batches", batches, 1, 4_096);
        if (LearningRate is null && MicroBatches is null && Data is null)
            throw new UserErrorException($"changes[{index}] changes nothing.", "Give learning_rate, micro_batches or data.");
        if (index > 0 && recipe.Changes[index - 1].FromStep >= FromStep)
        {
            throw new UserErrorException($"changes[{index}].from_step is {FromStep}, after {recipe.Changes[index - 1].FromStep}.",
                "Order the changes by their steps, one for each step.");
        }
    }
}
