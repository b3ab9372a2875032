using System.Text.RegularExpressions;
using Cluster.Cli.Rendering;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Stages;
using Spectre.Console;

namespace Cluster.Cli.Tests.Rendering;

public partial class RunConsoleTests
{
    private static readonly RunFolder s_folder = new(Path.Combine(Environment.CurrentDirectory, "runs", "demo"));

    [Fact]
    public void Run_Plain_EveryLine()
    {
        var time = new ManualTime();
        var output = new StringWriter();
        Play(new RunConsole(new PlainDisplay(output, time), [new NextStep("Talk to it", "cluster chat --run ./runs/demo")]), time);
        Assert.Equal("""
            Watch it at http://127.0.0.1:8080/
            75 MB from the docs, 3.1 M parameters, about 6 minutes, 1 GB of memory, writes ./runs/demo
            4 layers of width 192 with 6 heads, context 256, 1,000 steps in 4 lanes. Ctrl-C stops it so that it can be resumed.
            Done before: corpus.
            corpus was done before
            tokenizer: learning merges
            tokenizer:  60 % merge 2,000
            tokenizer done in 7.5 s: vocabulary 4,096
            pretraining: 1,000 steps
            pretraining:   0 % step 1 of 1,000, warm up, loss 8.300, 33 min 18 s left
            pretraining:   0 % step 3 of 1,000, bulk, loss 8.100, 9,000 tokens/s, 12 min 05 s left
            pretraining:   0 % step 3 of 1,000, bulk, validation 7.900, 9,000 tokens/s, 12 min 05 s left
              step 3, 31 s: Returns ▸ gib�[31mberish
            note: a checkpoint is damaged
            pretraining:   0 % step 4 of 1,000, bulk, loss 8.000, validation 7.900, 9,000 tokens/s, 12 min 04 s left
            pretraining done in 20 s

            Questions about what it was not trained on, and what the text itself says:
              question: What is [red]String[/]?
                 model: A string.
                        Two lines.
                  text: Text as UTF-16.


            A model of 3.1 M parameters trained for 9 min 12 s has learnt how such text sounds, not what is true: check what it says.
            Validation loss 2.250 nats per token, 1.125 bits per byte. 1,100 steps, 8.2 M tokens at 9,800 per second, 42 % of the matrix peak, 1.1 GB of memory.
            Weights aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa

            Next
              Talk to it
                cluster chat --run ./runs/demo

            """, output.ToString());
    }

    [Fact]
    public void Run_Live_ShowsTheSameAndEndsItsBars()
    {
        var output = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            ColorSystem = ColorSystemSupport.Standard,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(TextWriter.Synchronized(output)),
        });
        console.Profile.Width = 200;
        Play(new RunConsole(new TerminalDisplay(console), []), new ManualTime());
        var raw = output.ToString();
        Assert.Contains("\e[?25l", raw, StringComparison.Ordinal);
        // The cursor is shown again after it was hidden for the last time.
        Assert.True(raw.LastIndexOf("\e[?25h", StringComparison.Ordinal) > raw.LastIndexOf("\e[?25l", StringComparison.Ordinal));
        var text = EscapeSequence().Replace(raw, "");
        Assert.DoesNotContain('\e', text);
        Assert.Contains("75 MB from the docs", text, StringComparison.Ordinal);
        Assert.Contains("What is [red]String[/]?", text, StringComparison.Ordinal);
        Assert.Contains("gib\uFFFD[31mberish", text, StringComparison.Ordinal);
    }

    [Fact]
    public void Dispose_AmidAStage_EndsTheBar()
    {
        var output = new StringWriter();
        var console = AnsiConsole.Create(new AnsiConsoleSettings
        {
            Ansi = AnsiSupport.Yes,
            Interactive = InteractionSupport.Yes,
            Out = new AnsiConsoleOutput(TextWriter.Synchronized(output)),
        });
        using (var run = new RunConsole(new TerminalDisplay(console), []))
            run.StageStarted(StageNames.Corpus, "reading");
        Assert.EndsWith("\e[?25h", output.ToString().TrimEnd(), StringComparison.Ordinal);
    }

    private static void Play(RunConsole console, ManualTime time)
    {
        using var _ = console;
        var recipe = new Recipe { Name = "demo" };
        console.Serving(new Uri("http://127.0.0.1:8080"));
        console.Planned(new RunPlan("the docs", 75_000_000, recipe, 3_147_456, 372, 1_000_000_000, s_folder, [StageNames.Corpus]));
        console.StageFinished(Stage(StageNames.Corpus, 12), skipped: true);
        console.StageStarted(StageNames.Tokenizer, "learning merges");
        time.Advance(4);
        console.StageProgress(StageNames.Tokenizer, 0.3, "merge 1,000");
        time.Advance(1);
        console.StageProgress(StageNames.Tokenizer, 0.6, "merge 2,000");
        console.StageProgress(StageNames.Tokenizer, 0.7, "merge 2,100");
        console.StageFinished(Stage(StageNames.Tokenizer, 7.5, ("vocabulary", "4,096")), skipped: false);
        console.StageStarted(StageNames.Pretraining, "1,000 steps");
        console.Trained(Point(1) with { Phase = "warm_up", Loss = 8.3 }, 1_000);
        console.Trained(Point(2) with { Phase = "warm_up", Loss = 8.2 }, 1_000);
        console.Trained(Point(3) with { Phase = "bulk", Loss = 8.1, TokensPerSecond = 9_000 }, 1_000);
        console.Trained(Point(3) with { ValidationLoss = 7.9 }, 1_000);
        console.Sampled(new Sample(StageNames.Pretraining, 3, 31, "Returns", "gib\e[31mberish"));
        console.Warned("a checkpoint is damaged");
        time.Advance(5);
        console.Trained(Point(4) with { Phase = "bulk", Loss = 8 }, 1_000);
        console.StageFinished(Stage(StageNames.Pretraining, 20), skipped: false);
        console.Sampled(new Sample(StageNames.Evaluation, 4, 40, "What is [red]String[/]?", "A string.\nTwo lines.", "Text as UTF-16."));
        console.Finished(TestRuns.Summary("demo", recipe));
    }

    private static MetricPoint Point(long step) => new() { Stage = StageNames.Pretraining, Step = step, Seconds = 2 * step + (step > 2 ? step : 0), Tokens = step * 4_096 };

    private static StageRecord Stage(string name, double seconds, params (string Name, string Value)[] figures) =>
        new(name, seconds, "in", "out", figures.ToDictionary(figure => figure.Name, figure => figure.Value));

    [GeneratedRegex(@"\e\[[0-9;?]*[A-Za-z]")]
    private static partial Regex EscapeSequence();

    private sealed class ManualTime : TimeProvider
    {
        private long _seconds;

        public override long TimestampFrequency => 1;

        public override long GetTimestamp() => _seconds;

        public void Advance(int seconds) => _seconds += seconds;
    }
}
