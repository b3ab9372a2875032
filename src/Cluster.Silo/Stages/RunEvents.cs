// What an observer is told, as lines that travel: written where a run is worked on, told again where somebody watches.
using Cluster.Core.Recipes;
using Cluster.Core.Runs;

namespace Cluster.Silo.Stages;

/// <summary>One call of <see cref="IRunObserver"/>; of the nullable parts those that the kind has.</summary>
public sealed record RunEvent
{
    /// <summary>Which call.</summary>
    public required RunEventKind Kind { get; init; }

    /// <summary>A stage's name.</summary>
    public string? Stage { get; init; }

    /// <summary>A line about it.</summary>
    public string? Text { get; init; }

    /// <summary>Share done.</summary>
    public double? Fraction { get; init; }

    /// <summary>Steps that the stage goes to.</summary>
    public long? TotalSteps { get; init; }

    /// <summary>Whether it was done by an earlier process.</summary>
    public bool? Skipped { get; init; }

    /// <summary>Figures of a step.</summary>
    public MetricPoint? Point { get; init; }

    /// <summary>What the model wrote.</summary>
    public Sample? Sample { get; init; }

    /// <summary>A stage's time and figures.</summary>
    public StageRecord? Record { get; init; }

    /// <summary>The plan.</summary>
    public PlanEvent? Plan { get; init; }

    /// <summary>The end.</summary>
    public RunSummary? Summary { get; init; }

    /// <summary>Makes the call.</summary>
    public void Tell(IRunObserver observer)
    {
        switch (Kind)
        {
            case RunEventKind.Planned:
                observer.Planned(Plan!.ToPlan());
                break;
            case RunEventKind.StageStarted:
                observer.StageStarted(Stage!, Text!);
                break;
            case RunEventKind.StageProgress:
                observer.StageProgress(Stage!, Fraction!.Value, Text!);
                break;
            case RunEventKind.Trained:
                observer.Trained(Point!, TotalSteps!.Value);
                break;
            case RunEventKind.Sampled:
                observer.Sampled(Sample!);
                break;
            case RunEventKind.StageFinished:
                observer.StageFinished(Record!, Skipped!.Value);
                break;
            case RunEventKind.Warned:
                observer.Warned(Text!);
                break;
            case RunEventKind.Finished:
                observer.Finished(Summary!);
                break;
        }
    }
}

/// <summary>The calls of <see cref="IRunObserver"/>.</summary>
public enum RunEventKind
{
    /// <summary>The plan is made.</summary>
    Planned,

    /// <summary>A stage begins.</summary>
    StageStarted,

    /// <summary>A stage goes on.</summary>
    StageProgress,

    /// <summary>A step was trained.</summary>
    Trained,

    /// <summary>The model wrote something.</summary>
    Sampled,

    /// <summary>A stage is done.</summary>
    StageFinished,

    /// <summary>Something to know.</summary>
    Warned,

    /// <summary>All is done.</summary>
    Finished,
}

/// <summary>A <see cref="RunPlan"/> in values that JSON has.</summary>
public sealed record PlanEvent(
    string Source, long SourceBytes, Recipe Recipe, long Parameters, double? EstimatedSeconds, long EstimatedMemoryBytes, string Folder, IReadOnlyList<string> ResumedStages)
{
    /// <summary>Of a plan.</summary>
    public static PlanEvent Of(RunPlan plan) => new(
        plan.Source, plan.SourceBytes, plan.Recipe, plan.Parameters, plan.EstimatedSeconds, plan.EstimatedMemoryBytes, plan.Folder.Path, plan.ResumedStages);

    /// <summary>The plan.</summary>
    public RunPlan ToPlan() => new(Source, SourceBytes, Recipe, Parameters, EstimatedSeconds, EstimatedMemoryBytes, new RunFolder(Folder), ResumedStages);
}

/// <summary>Passes calls on as lines.</summary>
internal sealed class EventObserver(Action<string> write) : IRunObserver
{
    public void Planned(RunPlan plan) => Write(new RunEvent { Kind = RunEventKind.Planned, Plan = PlanEvent.Of(plan) });

    public void StageStarted(string stage, string what) => Write(new RunEvent { Kind = RunEventKind.StageStarted, Stage = stage, Text = what });

    public void StageProgress(string stage, double fraction, string message) =>
        Write(new RunEvent { Kind = RunEventKind.StageProgress, Stage = stage, Fraction = fraction, Text = message });

    public void Trained(MetricPoint point, long totalSteps) => Write(new RunEvent { Kind = RunEventKind.Trained, Point = point, TotalSteps = totalSteps });

    public void Sampled(Sample sample) => Write(new RunEvent { Kind = RunEventKind.Sampled, Sample = sample });

    public void StageFinished(StageRecord stage, bool skipped) => Write(new RunEvent { Kind = RunEventKind.StageFinished, Record = stage, Skipped = skipped });

    public void Warned(string message) => Write(new RunEvent { Kind = RunEventKind.Warned, Text = message });

    public void Finished(RunSummary summary) => Write(new RunEvent { Kind = RunEventKind.Finished, Summary = summary });

    private void Write(RunEvent e) => write(RunJson.Line(e));
}
