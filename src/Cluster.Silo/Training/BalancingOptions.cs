using Cluster.Collectives.Protocol;
using Cluster.Core.Errors;
using Microsoft.Extensions.Configuration;

namespace Cluster.Silo.Training;

/// <summary>
/// Whether lanes follow the replicas' speeds. A setting of the silos and not of the recipe: it decides who computes, never what comes out,
/// and a run may go on under the other one.
/// </summary>
/// <param name="BalanceLanes">False leaves them divided evenly.</param>
public sealed record BalancingOptions(bool BalanceLanes = true)
{
    /// <summary>Name of the setting.</summary>
    public const string Key = "Cluster:Training:BalanceLanes";

    /// <summary>Reads <see cref="Key"/>.</summary>
    /// <exception cref="UserErrorException">It is neither true nor false.</exception>
    public static BalancingOptions Of(IConfiguration configuration) => configuration[Key] switch
    {
        null or "" => new BalancingOptions(),
        var text when bool.TryParse(text, out var balance) => new BalancingOptions(balance),
        var text => throw new UserErrorException($"{Key} is \"{text}\".", "Give true or false."),
    };

    /// <summary>Of a new coordinator; null where lanes are left as they are.</summary>
    internal LaneBalance? Balance() => BalanceLanes ? new LaneBalance() : null;
}
