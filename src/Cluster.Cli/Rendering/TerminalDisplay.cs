using Spectre.Console;
using Spectre.Console.Rendering;

namespace Cluster.Cli.Rendering;

/// <summary>
/// Progress on a terminal: one bar for the work under way, drawn by a thread of its own ten times a second from the values last set
/// here; lines that stay scroll above it.
/// </summary>
/// <param name="console">A terminal.</param>
public sealed class TerminalDisplay(IAnsiConsole console) : IRunDisplay
{
    // Short, so that what training says of itself fits beside it in two lines of 80 columns.
    private const int BarWidth = 16;

    private readonly Lock _gate = new();
    private Bar? _bar;

    /// <inheritdoc/>
    public void Line(string text, LineKind kind = LineKind.Normal)
    {
        var style = kind switch
        {
            LineKind.Heading => new Style(decoration: Decoration.Bold),
            LineKind.Done => new Style(Color.Green),
            LineKind.Faint => new Style(Color.Grey),
            LineKind.Warning => new Style(Color.Yellow),
            _ => Style.Plain,
        };
        console.Write(new WholeLine(text, style));
    }

    /// <inheritdoc/>
    public void Begin(string name, string what)
    {
        lock (_gate)
        {
            _bar?.Dispose();
            _bar = new Bar(console, name, what);
        }
    }

    /// <inheritdoc/>
    public void Update(double fraction, string status, bool important)
    {
        lock (_gate)
            _bar?.Set(fraction, status);
    }

    /// <inheritdoc/>
    public void End()
    {
        lock (_gate)
        {
            _bar?.Dispose();
            _bar = null;
        }
    }

    /// <inheritdoc/>
    public void Exchange(string question, string reply, string expected)
    {
        var table = new Table { Border = TableBorder.Rounded, Title = new TableTitle(Markup.Escape(question.Trim())) }.Expand();
        table.AddColumn(new TableColumn("the model")).AddColumn(new TableColumn("the text"));
        table.AddRow(new Text(reply.Trim()), new Text(expected.Trim()));
        console.Write(table);
    }

    /// <inheritdoc/>
    public void Dispose() => End();

    /// <summary>A line that the terminal wraps, not this program: a command that is copied from it stays one line.</summary>
    private sealed class WholeLine(string text, Style style) : Renderable
    {
        protected override IEnumerable<Segment> Render(RenderOptions options, int maxWidth) => [new Segment(text, style), Segment.LineBreak];
    }

    private sealed class Bar : IDisposable
    {
        private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
        private readonly Task _drawing;
        private double _fraction;
        private volatile string _status;

        public Bar(IAnsiConsole console, string name, string what)
        {
            _status = what;
            var progress = console.Progress().AutoClear(true)
                .Columns(new TaskDescriptionColumn(), new ProgressBarColumn { Width = BarWidth }, new PercentageColumn(), new StatusColumn(this));
            _drawing = Task.Run(() => progress.StartAsync(async context =>
            {
                var task = context.AddTask(Markup.Escape(name), maxValue: 1);
                // The column redraws by itself; only the bar's value has to be handed over.
                while (await Task.WhenAny(_ended.Task, Task.Delay(100)) != _ended.Task)
                    task.Value = Volatile.Read(ref _fraction);
            }));
        }

        public void Set(double fraction, string status)
        {
            Volatile.Write(ref _fraction, Math.Clamp(fraction, 0, 1));
            _status = status;
        }

        public void Dispose()
        {
            _ended.TrySetResult();
            _drawing.GetAwaiter().GetResult();
        }

        private sealed class StatusColumn(Bar bar) : ProgressColumn
        {
            public override IRenderable Render(RenderOptions options, ProgressTask task, TimeSpan deltaTime) =>
                new Text(bar._status);
        }
    }
}
