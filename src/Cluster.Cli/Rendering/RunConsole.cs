// Enters: what a run tells of itself. Leaves: lines and a bar on a display. Does not know: terminals, how a run works.

using System.Globalization;
using Cluster.Cli.Hosting;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Stages;

namespace Cluster.Cli.Rendering;

/// <summary>A run for people: the plan, each stage with its bar, samples as they come, and at the end what came of it.</summary>
/// <param name="display">Where to.</param>
/// <param name="next">What to do after the run.</param>
public sealed class RunConsole(IRunDisplay display, IReadOnlyList<NextStep> next) : IRunObserver, IPageObserver, IDisposable
{
    private const int SampleLength = 240;
    private readonly List<Sample> _exchanges = [];
    private Recipe? _recipe;
    private string? _phase;
    private double? _validationLoss, _tokensPerSecond;

    /// <inheritdoc/>
    public void Serving(Uri address) => display.Line($"Watch it at {address}", LineKind.Heading);

    /// <inheritdoc/>
    public void Planned(RunPlan plan)
    {
        _recipe = plan.Recipe;
        var (model, training) = (plan.Recipe.Model, plan.Recipe.Training);
        var time = plan.EstimatedSeconds is { } seconds ? $"{Figures.About(seconds)}, " : "";
        display.Line(Clean(
            $"{Figures.Bytes(plan.SourceBytes)} from {plan.Source}, {Figures.Count(plan.Parameters)} parameters, {time}" +
            $"{Figures.Bytes(plan.EstimatedMemoryBytes)} of memory, writes {Paths.ForPeople(plan.Folder.Path)}"), LineKind.Heading);
        display.Line(Clean(
            $"{model.Layers} layers of width {model.Width} with {model.Heads} heads, context {model.Context}, {Figures.Whole(training.Steps)} steps in {training.Lanes} lanes. " +
            "Ctrl-C stops it so that it can be resumed."), LineKind.Faint);
        if (plan.ResumedStages.Count > 0)
            display.Line($"Done before: {string.Join(", ", plan.ResumedStages.Select(Words))}.", LineKind.Faint);
    }

    /// <inheritdoc/>
    public void StageStarted(string stage, string what)
    {
        (_phase, _validationLoss, _tokensPerSecond) = (null, null, null);
        display.Begin(Words(stage), Clean(what));
    }

    /// <inheritdoc/>
    public void StageProgress(string stage, double fraction, string message) => display.Update(fraction, Clean(message), important: false);

    /// <inheritdoc/>
    public void Trained(MetricPoint point, long totalSteps)
    {
        var important = point.ValidationLoss is not null || (point.Phase is not null && point.Phase != _phase) || point.Step == totalSteps;
        _phase = point.Phase ?? _phase;
        _validationLoss = point.ValidationLoss ?? _validationLoss;
        _tokensPerSecond = point.TokensPerSecond ?? _tokensPerSecond;
        display.Update(totalSteps > 0 ? (double)point.Step / totalSteps : 0, Status(point, totalSteps), important);
    }

    /// <inheritdoc/>
    public void Sampled(Sample sample)
    {
        if (sample.Expected is not null)
        {
            _exchanges.Add(sample);
            return;
        }

        display.Line($"  step {Figures.Whole(sample.Step)}, {Figures.Duration(sample.Seconds)}: {Clean(sample.Prompt)} ▸ {PlainText.Short(sample.Text, SampleLength)}", LineKind.Faint);
    }

    /// <inheritdoc/>
    public void StageFinished(StageRecord stage, bool skipped)
    {
        display.End();
        var figures = string.Join(", ", stage.Figures.Select(figure => $"{Words(figure.Key)} {figure.Value}"));
        display.Line(Clean(skipped
            ? $"{Words(stage.Name)} was done before"
            : $"{Words(stage.Name)} done in {Figures.Duration(stage.Seconds)}{(figures.Length > 0 ? ": " : "")}{figures}"), LineKind.Done);
    }

    /// <inheritdoc/>
    public void Warned(string message) => display.Line($"note: {Clean(message)}", LineKind.Warning);

    /// <summary>A line from outside the run, such as that it is being stopped.</summary>
    public void Say(string message) => display.Line(Clean(message), LineKind.Warning);

    /// <inheritdoc/>
    public void Finished(RunSummary summary)
    {
        display.End();
        if (_exchanges.Count > 0)
        {
            display.Line("");
            display.Line("Questions about what it was not trained on, and what the text itself says:", LineKind.Heading);
            foreach (var exchange in _exchanges)
                display.Exchange(PlainText.Clean(exchange.Prompt), PlainText.Clean(exchange.Text), PlainText.Clean(exchange.Expected!));
        }

        display.Line("");
        display.Line(
            $"A model of {Figures.Count(summary.Parameters)} parameters trained for {Figures.Duration(summary.Seconds)} has learnt how such text sounds, not what is true: check what it says.",
            LineKind.Warning);
        display.Line(string.Create(CultureInfo.InvariantCulture,
            $"Validation loss {summary.ValidationLoss:0.000} nats per token, {summary.ValidationBitsPerByte:0.000} bits per byte. {Figures.Whole(summary.Steps)} steps, ") +
            $"{Figures.Count(summary.Tokens)} tokens at {Figures.Whole((long)summary.TokensPerSecond)} per second, " +
            $"{Figures.Number(100 * summary.Mfu, 0)} % of the matrix peak, {Figures.Bytes(summary.PeakMemoryBytes)} of memory.");
        display.Line($"Weights {summary.WeightsSha256}", LineKind.Faint);
        if (next.Count == 0)
            return;
        display.Line("");
        display.Line("Next", LineKind.Heading);
        foreach (var step in next)
        {
            display.Line($"  {step.What}");
            display.Line($"    {step.Command}");
        }
    }

    /// <inheritdoc/>
    public void Dispose() => display.Dispose();

    private string Status(MetricPoint point, long totalSteps)
    {
        var parts = new List<string> { $"step {Figures.Whole(point.Step)} of {Figures.Whole(totalSteps)}" };
        if (_phase is not null)
            parts.Add(Words(_phase));
        if (point.Loss is { } loss)
            parts.Add($"loss {Figures.Number(loss, 3)}");
        if (_validationLoss is { } validation)
            parts.Add($"validation {Figures.Number(validation, 3)}");
        if (_tokensPerSecond is { } rate)
            parts.Add($"{Figures.Whole((long)rate)} tokens/s");
        var tokens = _recipe is not null && point.Stage == StageNames.Pretraining ? TimeLeft.PretrainingTokens(_recipe, totalSteps) : null;
        if (TimeLeft.Seconds(point with { TokensPerSecond = _tokensPerSecond }, totalSteps, tokens) is { } seconds)
            parts.Add($"{Figures.Duration(seconds)} left");
        return Clean(string.Join(", ", parts));
    }

    private static string Words(string name) => PlainText.OneLine(name.Replace('_', ' '));

    private static string Clean(string text) => PlainText.OneLine(text);
}
