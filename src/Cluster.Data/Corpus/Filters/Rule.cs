using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Filters;

/// <summary>What all filters do with their limits: a limit of null turns its rule off; a value equal to a limit passes.</summary>
internal static class Rule
{
    /// <summary>The reason to drop, if the value is above the limit.</summary>
    public static DropReason? Above(string rule, double value, double? limit) => value > limit ? new DropReason(rule, value, limit) : null;

    /// <summary>The reason to drop, if the value is below the limit.</summary>
    public static DropReason? Below(string rule, double value, double? limit) => value < limit ? new DropReason(rule, value, limit) : null;

    /// <summary>What becomes of a document that is dropped for a reason, if there is one.</summary>
    public static StageOutcome Outcome(Document document, DropReason? reason) =>
        reason is null ? StageOutcome.Keep(document) : StageOutcome.Dropped(document, reason);

    /// <summary>Refuses a limit that is no share.</summary>
    /// <exception cref="UserErrorException">It is outside [0, 1].</exception>
    public static void CheckShare(string stage, string field, double? limit)
    {
        if (limit is not (null or (>= 0 and <= 1)))
            throw new UserErrorException(FormattableString.Invariant($"{stage}.{field} is {limit}."),
                "Give a share from 0 to 1, or null to turn the rule off.");
    }

    /// <summary>Refuses a limit below zero or not finite.</summary>
    /// <exception cref="UserErrorException">It is.</exception>
    public static void CheckNonNegative(string stage, string field, double? limit)
    {
        if (limit is { } value && !(value >= 0 && double.IsFinite(value)))
            throw new UserErrorException(FormattableString.Invariant($"{stage}.{field} is {limit}."),
                "Give 0 or more, or null to turn the rule off.");
    }
}
