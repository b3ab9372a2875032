namespace Cluster.Cli.Rendering;

/// <summary>Progress for files, pipes and logs: whole lines, of one piece of work at most one every five seconds.</summary>
/// <param name="output">Where to.</param>
/// <param name="time">Tells the five seconds.</param>
public sealed class PlainDisplay(TextWriter output, TimeProvider time) : IRunDisplay
{
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(5);
    private readonly Lock _gate = new();
    private string _name = "";
    private long _shown;

    /// <inheritdoc/>
    public void Line(string text, LineKind kind = LineKind.Normal)
    {
        lock (_gate)
            output.WriteLine(text);
    }

    /// <inheritdoc/>
    public void Begin(string name, string what)
    {
        lock (_gate)
        {
            (_name, _shown) = (name, time.GetTimestamp());
            output.WriteLine($"{name}: {what}");
        }
    }

    /// <inheritdoc/>
    public void Update(double fraction, string status, bool important)
    {
        lock (_gate)
        {
            if (!important && time.GetElapsedTime(_shown) < s_interval)
                return;
            _shown = time.GetTimestamp();
            output.WriteLine($"{_name}: {(int)(100 * Math.Clamp(fraction, 0, 1)),3} % {status}");
        }
    }

    /// <inheritdoc/>
    public void End()
    {
    }

    /// <inheritdoc/>
    public void Exchange(string question, string reply, string expected)
    {
        lock (_gate)
        {
            output.WriteLine($"  question: {Indented(question)}");
            output.WriteLine($"     model: {Indented(reply)}");
            output.WriteLine($"      text: {Indented(expected)}");
            output.WriteLine();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => End();

    private static string Indented(string text) => text.Trim().Replace("\n", "\n            ", StringComparison.Ordinal);
}
