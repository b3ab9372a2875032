using Cluster.Core.Recipes;

namespace Cluster.Core.Runs;

/// <summary>One line of <c>journal.jsonl</c>: a rollback, a change or the beginning of a branch.</summary>
/// <param name="Action">"rollback", "change" or "branch".</param>
/// <param name="Step">Steps applied where it holds.</param>
/// <param name="At">When it was asked for (UTC).</param>
/// <param name="Change">What pre-training does differently from there, or null.</param>
/// <param name="Abandoned">Changes of the recipe that were given up, because they came later.</param>
/// <param name="RecipeBefore">SHA-256 of the recipe before.</param>
/// <param name="RecipeAfter">SHA-256 of the recipe from now on.</param>
/// <param name="From">Of a branch: the run that it left.</param>
public sealed record SteeringRecord(
    string Action, long Step, DateTimeOffset At, RecipeChange? Change, IReadOnlyList<RecipeChange> Abandoned, string RecipeBefore,
    string RecipeAfter, string? From = null);
