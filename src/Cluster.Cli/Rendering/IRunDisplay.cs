namespace Cluster.Cli.Rendering;

/// <summary>What a line is, for a terminal to colour.</summary>
public enum LineKind
{
    /// <summary>Plain.</summary>
    Normal,

    /// <summary>Opens a part.</summary>
    Heading,

    /// <summary>Something was done.</summary>
    Done,

    /// <summary>Beside the matter.</summary>
    Faint,

    /// <summary>To take note of.</summary>
    Warning,
}

/// <summary>Where a run's progress is shown. Every text is clean already; calls may come from any thread and return at once.</summary>
public interface IRunDisplay : IDisposable
{
    /// <summary>A line that stays.</summary>
    void Line(string text, LineKind kind = LineKind.Normal);

    /// <summary>Work begins.</summary>
    /// <param name="name">A word.</param>
    /// <param name="what">One line about it.</param>
    void Begin(string name, string what);

    /// <summary>Work goes on.</summary>
    /// <param name="fraction">Share done, 0–1.</param>
    /// <param name="status">Where it is, in one line.</param>
    /// <param name="important">Show it even if something was shown a moment ago.</param>
    void Update(double fraction, string status, bool important);

    /// <summary>Work ends; nothing where none goes on.</summary>
    void End();

    /// <summary>A question, what the model said, and what is true.</summary>
    void Exchange(string question, string reply, string expected);
}
