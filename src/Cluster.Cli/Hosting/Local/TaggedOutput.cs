using Cluster.Cli.Rendering;

namespace Cluster.Cli.Hosting.Local;

/// <summary>Lines of several processes on one output, each behind the name of its process, in a colour where there are colours.
/// What is too long for a terminal is cut.</summary>
/// <param name="writer">Where to.</param>
/// <param name="isTerminal">Whether it has colours.</param>
internal sealed class TaggedOutput(TextWriter writer, bool isTerminal)
{
    // A stack trace on one line is for the log.
    private const int LongestLine = 240;

    // ANSI: cyan, yellow, green, magenta, blue, red.
    private static readonly int[] s_colours = [36, 33, 32, 35, 34, 31];
    private readonly Lock _gate = new();
    private readonly Dictionary<string, int> _colours = new(StringComparer.Ordinal);
    private int _width = "cluster".Length;

    /// <summary>Writes a line.</summary>
    public void Write(string name, string line)
    {
        lock (_gate)
        {
            _width = Math.Max(_width, name.Length);
            var tag = $"{name.PadRight(_width)} |";
            if (isTerminal)
            {
                if (!_colours.TryGetValue(name, out var colour))
                    _colours[name] = colour = s_colours[_colours.Count % s_colours.Length];
                tag = $"\e[{colour}m{tag}\e[0m";
            }

            writer.WriteLine($"{tag} {PlainText.Short(line, LongestLine)}");
        }
    }
}
