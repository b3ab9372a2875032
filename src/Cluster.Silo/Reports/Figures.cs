// Enters: numbers. Leaves: how people read them, in the invariant culture. Does not know: what they count.

using System.Globalization;

namespace Cluster.Silo.Reports;

/// <summary>How figures are written in reports and cards.</summary>
internal static class Figures
{
    /// <summary>Stands where there is no figure.</summary>
    public const string None = "–";

    /// <summary>1,234,567.</summary>
    public static string Count(long value) => value.ToString("#,0", CultureInfo.InvariantCulture);

    /// <summary>A rate or another large real number, as a whole one.</summary>
    public static string Whole(double value) => Real(value, "#,0");

    /// <summary>3.1 M: three significant digits at most, for running text.</summary>
    public static string Rough(long value) => value switch
    {
        < 1_000 => Count(value),
        < 999_500 => Scaled(value, 1e3, "thousand"),
        < 999_500_000 => Scaled(value, 1e6, "million"),
        _ => Scaled(value, 1e9, "billion"),
    };

    /// <summary>Decimal units: 1.05 GB.</summary>
    public static string Bytes(long value) => value switch
    {
        < 1_000 => $"{Count(value)} bytes",
        < 999_500 => Scaled(value, 1e3, "kB"),
        < 999_500_000 => Scaled(value, 1e6, "MB"),
        _ => Scaled(value, 1e9, "GB"),
    };

    /// <summary>A loss or bits per byte, four decimals.</summary>
    public static string Loss(double value) => Real(value, "0.0000");

    /// <summary>A share of 0–1 in percent, one decimal.</summary>
    public static string Percent(double share) => double.IsFinite(share) ? Real(100 * share, "0.0") + " %" : None;

    /// <summary>A learning rate or another small setting.</summary>
    public static string Setting(double value) => Real(value, "0.######");

    /// <summary>12.3 s, 6 min 05 s, 2 h 07 min.</summary>
    public static string Duration(double seconds)
    {
        if (!double.IsFinite(seconds))
            return None;
        if (seconds < 59.95)
            return Real(seconds, "0.0") + " s";
        var whole = (long)Math.Round(seconds, MidpointRounding.AwayFromZero);
        return whole < 3_600
            ? string.Create(CultureInfo.InvariantCulture, $"{whole / 60} min {whole % 60:00} s")
            : string.Create(CultureInfo.InvariantCulture, $"{whole / 3_600:#,0} h {whole / 60 % 60:00} min");
    }

    /// <summary>One value where both ends are written alike, otherwise "from – to".</summary>
    public static string Span(string from, string to) => from == to ? from : $"{from} – {to}";

    private static string Real(double value, string format) =>
        double.IsFinite(value) ? value.ToString(format, CultureInfo.InvariantCulture) : None;

    private static string Scaled(long value, double unit, string name)
    {
        var scaled = value / unit;
        return Real(scaled, scaled < 9.995 ? "0.##" : scaled < 99.95 ? "0.#" : "0") + " " + name;
    }
}
