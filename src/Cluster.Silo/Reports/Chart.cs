// Enters: curves with names and colours, vertical marks. Leaves: a PNG. Does not know: what the curves mean.

using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Cluster.Silo.Reports;

/// <summary>A line chart over training steps in the report's style: light, thin lines, legend above, no title (the report has headings).</summary>
internal sealed class Chart
{
    /// <summary>Pixels.</summary>
    public const int Width = 900;

    /// <summary>Pixels.</summary>
    public const int Height = 500;

    private static readonly Color s_ink = Color.FromHex("#333333");
    private static readonly Color s_pale = Color.FromHex("#8A8A8A");
    private readonly Plot _plot = new();
    private readonly List<(double Step, string Name)> _marks = [];
    private readonly bool _fromZero;

    /// <param name="vertical">The vertical axis's title with its unit.</param>
    /// <param name="fromZero">Whether the vertical axis starts at 0.</param>
    public Chart(string vertical, bool fromZero)
    {
        _fromZero = fromZero;
        _plot.FigureBackground.Color = Colors.White;
        _plot.DataBackground.Color = Colors.White;
        _plot.Grid.MajorLineColor = Color.FromHex("#EBEBEB");
        _plot.XLabel("steps", 14);
        _plot.YLabel(vertical, 14);
        _plot.Axes.Color(s_ink);
        _plot.Axes.Bottom.Label.Bold = false;
        _plot.Axes.Left.Label.Bold = false;
        _plot.Axes.Bottom.TickGenerator = new NumericAutomatic { LabelFormatter = Label, IntegerTicksOnly = true, TickDensity = 0.7 };
        _plot.Axes.Left.TickGenerator = new NumericAutomatic { LabelFormatter = Label, TickDensity = 0.7 };
        _plot.Axes.Bottom.MinorTickStyle.Length = 0;
        _plot.Axes.Left.MinorTickStyle.Length = 0;
        _plot.Axes.Top.FrameLineStyle.Width = 0;
        _plot.Axes.Right.FrameLineStyle.Width = 0;
    }

    /// <summary>Blue.</summary>
    public static Color Blue { get; } = Color.FromHex("#1F6FB2");

    /// <summary>Orange.</summary>
    public static Color Orange { get; } = Color.FromHex("#D1571A");

    /// <summary>Adds a curve; one of a single point shows as a dot.</summary>
    public void Line(Curve curve, string name, Color color, bool faint = false, bool markers = false)
    {
        if (curve.Count == 0)
            return;
        curve = curve.Thinned();
        var line = _plot.Add.Scatter(curve.Steps, curve.Values, faint ? color.WithAlpha(.3) : color);
        line.LegendText = name;
        line.LineWidth = faint ? 1 : 1.6f;
        line.MarkerSize = markers || curve.Count == 1 ? 6 : 0;
    }

    /// <summary>Adds a thin vertical line with a name beside it.</summary>
    public void Mark(double step, string name)
    {
        var line = _plot.Add.VerticalLine(step, 1, s_pale, LinePattern.Dashed);
        line.ExcludeFromLegend = true;
        line.EnableAutoscale = false;
        _marks.Add((step, name));
    }

    /// <summary>Draws the chart.</summary>
    public byte[] Png()
    {
        SetLimits();
        NameMarks();
        var legend = _plot.ShowLegend(Edge.Top);
        legend.Padding = new PixelPadding(0);
        _plot.Legend.Orientation = Orientation.Horizontal;
        _plot.Legend.OutlineWidth = 0;
        _plot.Legend.ShadowColor = Colors.Transparent;
        _plot.Legend.FontSize = 13;
        _plot.Font.Set(ReportFont.Registered);
        return _plot.GetImage(Width, Height).GetImageBytes(ImageFormat.Png);
    }

    private void SetLimits()
    {
        _plot.Axes.Margins(horizontal: 0.02, vertical: 0.06);
        _plot.Axes.AutoScale();
        var limits = _plot.Axes.GetLimits();
        // Curves that start at zero stay near their top: the names of marks get a stretch above them.
        var headroom = _marks.Count == 0 ? 1 : 1.25;
        if (_fromZero)
            _plot.Axes.SetLimitsY(Math.Min(0, limits.Bottom), Math.Max(limits.Top * headroom, 1e-12));
    }

    private void NameMarks()
    {
        var top = _plot.Axes.GetLimits().Top;
        foreach (var (step, name) in _marks)
        {
            var text = _plot.Add.Text(name, step, top);
            text.LabelFontSize = 12;
            text.LabelFontColor = s_pale;
            text.LabelRotation = 90;
            text.LabelAlignment = Alignment.LowerLeft;
            text.OffsetX = 4;
            text.OffsetY = 6;
        }
    }

    private static string Label(double value) =>
        value.ToString(Math.Abs(value) >= 1_000 ? "#,0" : "0.######", CultureInfo.InvariantCulture);
}
