// Enters: names and values. Leaves: a PNG of bars. Does not know: what the bars mean.

using System.Globalization;
using ScottPlot;
using ScottPlot.TickGenerators;

namespace Cluster.Silo.Reports;

/// <summary>Bars in the report's style; of two values for a name the first is pale and stands behind the second.</summary>
internal static class BarChart
{
    private const int Width = 900, RowHeight = 26, Frame = 90, ColumnHeight = 420;

    /// <summary>Lying bars, the first at the top: for names that are long.</summary>
    /// <param name="rows">Name, pale value, strong value.</param>
    /// <param name="axis">What the values are.</param>
    public static byte[] Rows(IReadOnlyList<(string Name, double Behind, double Front)> rows, string axis)
    {
        var plot = Empty();
        for (var i = 0; i < rows.Count; i++)
        {
            var at = rows.Count - 1 - i;
            Add(plot, at, rows[i].Behind, Chart.Blue.WithAlpha(.25), Orientation.Horizontal);
            Add(plot, at, rows[i].Front, Chart.Blue, Orientation.Horizontal);
        }

        plot.Axes.Left.TickGenerator = new NumericManual(
            [.. Enumerable.Range(0, rows.Count).Select(i => (double)(rows.Count - 1 - i))], [.. rows.Select(row => row.Name)]);
        plot.Axes.Left.MajorTickStyle.Length = 0;
        plot.Axes.Bottom.TickGenerator = Numbers();
        plot.XLabel(axis, 14);
        plot.Axes.Margins(left: 0, bottom: 0.02, top: 0.02);
        return Png(plot, Frame + RowHeight * Math.Max(1, rows.Count));
    }

    /// <summary>Standing bars from left to right: histograms.</summary>
    /// <param name="columns">Name and value.</param>
    /// <param name="horizontal">What the names are.</param>
    /// <param name="vertical">What the values are.</param>
    public static byte[] Columns(IReadOnlyList<(string Name, double Value)> columns, string horizontal, string vertical)
    {
        var plot = Empty();
        for (var i = 0; i < columns.Count; i++)
            Add(plot, i, columns[i].Value, Chart.Blue, Orientation.Vertical);
        var step = Math.Max(1, columns.Count / 12);
        var shown = Enumerable.Range(0, columns.Count).Where(i => i % step == 0).ToArray();
        plot.Axes.Bottom.TickGenerator = new NumericManual([.. shown.Select(i => (double)i)], [.. shown.Select(i => columns[i].Name)]);
        plot.Axes.Bottom.MajorTickStyle.Length = 0;
        plot.Axes.Left.TickGenerator = Numbers();
        plot.XLabel(horizontal, 14);
        plot.YLabel(vertical, 14);
        plot.Axes.Margins(bottom: 0);
        return Png(plot, ColumnHeight);
    }

    private static Plot Empty()
    {
        var plot = new Plot();
        plot.FigureBackground.Color = Colors.White;
        plot.DataBackground.Color = Colors.White;
        plot.Grid.MajorLineColor = Color.FromHex("#EBEBEB");
        plot.Axes.Color(Color.FromHex("#333333"));
        plot.Axes.Bottom.Label.Bold = false;
        plot.Axes.Left.Label.Bold = false;
        plot.Axes.Bottom.MinorTickStyle.Length = 0;
        plot.Axes.Left.MinorTickStyle.Length = 0;
        plot.Axes.Top.FrameLineStyle.Width = 0;
        plot.Axes.Right.FrameLineStyle.Width = 0;
        return plot;
    }

    private static void Add(Plot plot, int at, double value, Color color, Orientation orientation)
    {
        var bar = plot.Add.Bar(new Bar { Position = at, Value = value, FillColor = color, Size = 0.7, Orientation = orientation });
        bar.Bars[0].LineWidth = 0;
    }

    private static NumericAutomatic Numbers() => new()
    {
        LabelFormatter = value => value.ToString(Math.Abs(value) >= 1_000 ? "#,0" : "0.###", CultureInfo.InvariantCulture),
        TickDensity = 0.6,
    };

    private static byte[] Png(Plot plot, int height)
    {
        plot.Font.Set(ReportFont.Registered);
        return plot.GetImage(Width, height).GetImageBytes(ImageFormat.Png);
    }
}
