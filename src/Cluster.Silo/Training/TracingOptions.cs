using Cluster.Core.Errors;
using Microsoft.Extensions.Configuration;

namespace Cluster.Silo.Training;

/// <summary>What of training is traced.</summary>
/// <param name="StepsPerTrace">Steps from one that is traced to the next, 1 to 1,000,000.</param>
public sealed record TracingOptions(int StepsPerTrace = 100)
{
    private const string Key = "Cluster:Tracing:StepsPerTrace";
    private const int Most = 1_000_000;

    /// <summary>Reads <c>Cluster:Tracing:StepsPerTrace</c>.</summary>
    /// <exception cref="UserErrorException">It is no such number.</exception>
    public static TracingOptions Of(IConfiguration configuration) => configuration[Key] switch
    {
        null or "" => new TracingOptions(),
        var text when int.TryParse(text, System.Globalization.CultureInfo.InvariantCulture, out var steps) && steps is >= 1 and <= Most => new TracingOptions(steps),
        var text => throw new UserErrorException($"{Key} is \"{text}\".", $"Give a number of steps from 1 to {Most}."),
    };
}
