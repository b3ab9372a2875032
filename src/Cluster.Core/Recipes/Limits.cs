using System.Globalization;
using Cluster.Core.Errors;

namespace Cluster.Core.Recipes;

// In: a field's name, value and range. Out: nothing, or an error that names all three.
internal static class Limits
{
    public static void Check(string field, long value, long low, long high)
    {
        if (value < low || value > high)
            throw new UserErrorException($"{field} is {value}.", high == long.MaxValue ? $"Give a whole number of at least {low}." : $"Give a whole number from {low} to {high}.");
    }

    public static void Check(string field, double value, double low, double high)
    {
        // NaN fails every comparison and so lands here too.
        if (!(value >= low && value <= high))
            throw new UserErrorException(string.Create(CultureInfo.InvariantCulture, $"{field} is {value:R}."), $"Give a number {Lower()} {Upper()}.");

        string Lower() => low == double.Epsilon ? "above 0" : string.Create(CultureInfo.InvariantCulture, $"from {low:R}");
        string Upper() => high == Math.BitDecrement(1.0) ? "to below 1" : string.Create(CultureInfo.InvariantCulture, $"to {high:R}");
    }
}
