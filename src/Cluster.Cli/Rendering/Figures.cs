using System.Globalization;

namespace Cluster.Cli.Rendering;

/// <summary>Numbers as people read them; invariant culture, decimal units.</summary>
public static class Figures
{
    /// <summary>"75 MB", "1.2 GB"; two digits at least.</summary>
    public static string Bytes(long bytes) => Scaled(bytes, ["B", "kB", "MB", "GB", "TB"], 1);

    /// <summary>"3.1 M", "850"; below 10,000 every digit.</summary>
    public static string Count(long count) => count < 10_000
        ? count.ToString("#,0", CultureInfo.InvariantCulture)
        : Scaled(count, ["", "k", "M", "G", "T"], 1).TrimEnd();

    /// <summary>Every digit, in groups.</summary>
    public static string Whole(long count) => count.ToString("#,0", CultureInfo.InvariantCulture);

    /// <summary>"0.8 s", "12 s", "3 min 20 s", "2 h 05 min".</summary>
    public static string Duration(double seconds)
    {
        if (!(seconds >= 0) || double.IsInfinity(seconds))
            return "?";
        if (seconds < 10)
            return string.Create(CultureInfo.InvariantCulture, $"{seconds:0.0} s");
        var whole = (long)Math.Round(seconds, MidpointRounding.AwayFromZero);
        return whole < 60 ? $"{whole} s"
            : whole < 3_600 ? $"{whole / 60} min {whole % 60:00} s"
            : $"{whole / 3_600} h {whole % 3_600 / 60:00} min";
    }

    /// <summary>"about 6 minutes": a forecast, no more exact than it deserves.</summary>
    public static string About(double seconds) => seconds switch
    {
        < 90 => $"about {Math.Max(1, (long)Math.Round(seconds / 10)) * 10} seconds",
        < 5_400 => $"about {(long)Math.Round(seconds / 60)} minutes",
        _ => string.Create(CultureInfo.InvariantCulture, $"about {seconds / 3_600:0.#} hours"),
    };

    /// <summary>With so many digits after the point.</summary>
    public static string Number(double value, int digits) => value.ToString("F" + digits, CultureInfo.InvariantCulture);

    private static string Scaled(double value, string[] units, int digits)
    {
        var unit = 0;
        while (value >= 999.5 && unit < units.Length - 1)
        {
            value /= 1_000;
            unit++;
        }

        var format = value < 9.95 && unit > 0 ? "0." + new string('#', digits) : "0";
        return value.ToString(format, CultureInfo.InvariantCulture) + " " + units[unit];
    }
}
