using Spectre.Console;

namespace Cluster.Cli.Rendering;

/// <summary>Tables of results: aligned columns, no frames, nothing to parse away.</summary>
public static class Tables
{
    /// <summary>Name and value, a line each.</summary>
    public static void Pairs(IAnsiConsole console, IEnumerable<(string Name, string Value)> rows)
    {
        var list = rows.ToList();
        var width = list.Max(row => row.Name.Length);
        foreach (var (name, value) in list)
            console.WriteLine($"{name.PadRight(width)}  {PlainText.OneLine(value)}");
    }

    /// <summary>Columns under headings.</summary>
    /// <param name="console">Where to.</param>
    /// <param name="headings">A name that begins with '&gt;' is of a column of numbers.</param>
    /// <param name="rows">A value for each heading.</param>
    public static void Columns(IAnsiConsole console, IReadOnlyList<string> headings, IEnumerable<IReadOnlyList<string>> rows)
    {
        var table = new Table { Border = console.Profile.Capabilities.Ansi ? TableBorder.Simple : TableBorder.None };
        foreach (var heading in headings)
        {
            var column = new TableColumn(new Text(heading.TrimStart('>'))).PadLeft(0).PadRight(2);
            table.AddColumn(heading.StartsWith('>') ? column.RightAligned() : column);
        }

        foreach (var row in rows)
            table.AddRow(row.Select(value => new Text(PlainText.Clean(value))));
        console.Write(table);
    }
}
