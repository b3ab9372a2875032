using System.Globalization;
using Cluster.Core.Errors;

namespace Cluster.Cli.Runs;

/// <summary>Large numbers as people write them: 7e9, 124M, 1.4T.</summary>
internal static class PlanNumbers
{
    private static readonly Dictionary<char, double> s_units = new() { ['k'] = 1e3, ['K'] = 1e3, ['M'] = 1e6, ['G'] = 1e9, ['B'] = 1e9, ['T'] = 1e12, ['P'] = 1e15 };

    /// <summary>Reads one.</summary>
    /// <exception cref="UserErrorException">It is none, or negative.</exception>
    public static double Parse(string option, string text)
    {
        var digits = text.AsSpan().Trim();
        var unit = 1.0;
        if (digits.Length > 1 && s_units.TryGetValue(digits[^1], out unit))
            digits = digits[..^1];
        else
            unit = 1;
        return double.TryParse(digits, NumberStyles.Float, CultureInfo.InvariantCulture, out var value) && double.IsFinite(value * unit) && value >= 0
            ? value * unit
            : throw new UserErrorException($"{option} is \"{text}\".", "Give a number such as 7e9, 124M or 1.4T (k, M, B or G, T, P).");
    }
}
