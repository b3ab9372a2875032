// Enters: nothing. Leaves: the name of a font that plots can use on any machine. Does not know: what is written with it.

using ScottPlot;
using SkiaSharp;

namespace Cluster.Silo.Reports;

/// <summary>
/// The one font of all plots, from this assembly: a container often has no fonts, and Skia then draws no text at all, without an error.
/// It also makes a plot look the same wherever it is drawn.
/// </summary>
internal sealed class ReportFont : IFontResolver
{
    /// <summary>What the font is called among ScottPlot's fonts.</summary>
    public const string Name = "Cluster Report";

    private static readonly Lazy<SKTypeface> s_typeface = new(Load);
    private static readonly Lazy<string> s_registered = new(Register);

    private ReportFont()
    {
    }

    /// <summary>Makes the font known to ScottPlot, once, and returns its <see cref="Name"/>.</summary>
    public static string Registered => s_registered.Value;

    /// <inheritdoc/>
    public SKTypeface? CreateTypeface(string fontName, FontWeight weight, FontSlant slant, FontSpacing width) =>
        fontName == Name ? s_typeface.Value : null;

    /// <inheritdoc/>
    public SKTypeface? CreateTypeface(string fontName, bool bold, bool italic) => fontName == Name ? s_typeface.Value : null;

    private static string Register()
    {
        Fonts.FontResolvers.Insert(0, new ReportFont());
        return Name;
    }

    private static SKTypeface Load()
    {
        using var font = typeof(ReportFont).Assembly.GetManifestResourceStream("Cluster.Silo.Reports.Font.ttf")
            ?? throw new InvalidOperationException("The assembly was built without its font.");
        using var data = SKData.Create(font);
        return SKTypeface.FromData(data) ?? throw new InvalidOperationException("The assembly's font cannot be read.");
    }
}
