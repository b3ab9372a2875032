// Enters: a folder of runs. Leaves: what each run's own files say. Does not know: how runs are made.

using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;

namespace Cluster.Cli.Runs;

/// <summary>How far a run is.</summary>
public enum RunState
{
    /// <summary>A process works on it.</summary>
    Running,

    /// <summary>It was stopped before its end and can be resumed.</summary>
    Stopped,

    /// <summary>It has its summary.</summary>
    Finished,

    /// <summary>A file of it cannot be read.</summary>
    Damaged,
}

/// <summary>A run in one line.</summary>
public sealed record RunListEntry
{
    /// <summary>Its folder's name.</summary>
    public required string Name { get; init; }

    /// <summary>Its folder.</summary>
    public required string Path { get; init; }

    /// <summary>How far it is.</summary>
    public required RunState State { get; init; }

    /// <summary>Name of its recipe.</summary>
    public string? Recipe { get; init; }

    /// <summary>The stage that was worked on last.</summary>
    public string? Stage { get; init; }

    /// <summary>Steps of the summary, or of the last stage that left any.</summary>
    public long? Steps { get; init; }

    /// <summary>Mean training loss, nats per token: of the summary, else of the last step.</summary>
    public double? TrainLoss { get; init; }

    /// <summary>Validation loss, nats per token: of the summary, else the latest.</summary>
    public double? ValidationLoss { get; init; }

    /// <summary>Of the summary.</summary>
    public double? ValidationBitsPerByte { get; init; }

    /// <summary>Of the summary.</summary>
    public long? Parameters { get; init; }

    /// <summary>Of the summary.</summary>
    public string? WeightsSha256 { get; init; }

    /// <summary>Why it is damaged.</summary>
    public string? Problem { get; init; }
}

/// <summary>The runs below a folder.</summary>
/// <param name="Root">The folder.</param>
/// <param name="Runs">By name.</param>
public sealed record RunList(string Root, IReadOnlyList<RunListEntry> Runs)
{
    /// <summary>Reads the runs below a folder; a damaged one is an entry that says so.</summary>
    public static RunList Of(string root) => new(root, [.. RunFolder.Below(root).Select(Entry)]);

    /// <summary>Whether a run has come to its end.</summary>
    public static bool IsFinished(RunFolder run) => File.Exists(run.Summary);

    /// <summary>What a run's summary says.</summary>
    /// <exception cref="UserErrorException">It is damaged.</exception>
    public static RunSummary Summary(RunFolder run) => RunJson.Parse<RunSummary>(File.ReadAllText(run.Summary), run.Summary);

    /// <summary>The recipe of a run.</summary>
    /// <exception cref="UserErrorException">It is damaged.</exception>
    public static Recipe Recipe(RunFolder run) => RecipeJson.Parse(File.ReadAllText(run.Recipe), run.Recipe);

    /// <summary>One run.</summary>
    public static RunListEntry Entry(RunFolder run)
    {
        try
        {
            var recipe = Recipe(run);
            // A run at work may have a summary of an earlier, shorter one.
            if (IsFinished(run) && !IsLocked(run))
            {
                var summary = Summary(run);
                return new RunListEntry
                {
                    Name = run.Name,
                    Path = run.Path,
                    State = RunState.Finished,
                    Recipe = recipe.Name,
                    Stage = summary.Stages.Count > 0 ? summary.Stages[^1].Name : null,
                    Steps = summary.Steps,
                    TrainLoss = summary.TrainLoss,
                    ValidationLoss = summary.ValidationLoss,
                    ValidationBitsPerByte = summary.ValidationBitsPerByte,
                    Parameters = summary.Parameters,
                    WeightsSha256 = summary.WeightsSha256,
                };
            }

            var points = RunJson.ReadLines<MetricPoint>(run.Metrics);
            return new RunListEntry
            {
                Name = run.Name,
                Path = run.Path,
                State = IsLocked(run) ? RunState.Running : RunState.Stopped,
                Recipe = recipe.Name,
                Stage = points.Count > 0 ? points[^1].Stage : null,
                Steps = points.Count > 0 ? points[^1].Step : null,
                TrainLoss = points.LastOrDefault(point => point.Loss is not null)?.Loss,
                ValidationLoss = points.LastOrDefault(point => point.ValidationLoss is not null)?.ValidationLoss,
            };
        }
        catch (Exception error) when (error is UserErrorException or IOException or UnauthorizedAccessException)
        {
            return new RunListEntry { Name = run.Name, Path = run.Path, State = RunState.Damaged, Problem = error.Message };
        }
    }

    /// <summary>Whether another process holds the run.</summary>
    public static bool IsLocked(RunFolder run)
    {
        try
        {
            // A share for reading only conflicts with the holder's exclusive one, and is let go at once.
            using var stream = new FileStream(run.Lock, FileMode.Open, FileAccess.Read, FileShare.Read);
            return false;
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException or UnauthorizedAccessException)
        {
            return false;
        }
        catch (IOException)
        {
            return true;
        }
    }
}
