// Has StageRunner work on a submitted run, beside the grain's turns. Enters: a submission, wishes. Leaves: events for those who watch.
// What is done lies in the run's folder: an activation that takes over begins the runner again, which finds it there.
using Cluster.Contracts.Runs;
using Cluster.Contracts.Training;
using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Hosting;
using Cluster.Silo.Stages;
using Microsoft.Extensions.Logging;

namespace Cluster.Silo.Runs;

/// <summary>What the driver must know on another silo.</summary>
[GenerateSerializer]
public sealed record RunDriverState
{
    /// <summary>The run; null before the first.</summary>
    [Id(0)]
    public RunSubmission? Submission { get; set; }

    /// <summary>How the work ended; null while it goes on.</summary>
    [Id(1)]
    public string? Ended { get; set; }

    /// <summary>Why it failed.</summary>
    [Id(2)]
    public string? Reason { get; set; }

    /// <summary>Whether it is to end early.</summary>
    [Id(3)]
    public bool Cancelled { get; set; }
}

/// <inheritdoc cref="IRunDriverGrain"/>
[KeepAlive]
public sealed partial class RunDriverGrain(
    [PersistentState("run-driver")] IPersistentState<RunDriverState> state, TrainingSilos silos, TimeProvider time, DataInstruments data, ILogger<RunDriverGrain> logger)
    : Grain, IRunDriverGrain, IRemindable
{
    private const int MostEvents = 20_000, EventsAtATime = 2_000;
    private const string Reminder = "wake";
    private static readonly TimeSpan s_reminder = TimeSpan.FromMinutes(1);

    private readonly LineLog _events = new(MostEvents, line => !line.Contains("\"point\":", StringComparison.Ordinal));
    private readonly Lock _gate = new();
    private readonly LongPoll _changed = new();
    private CancellationTokenSource _cancel = new(), _leave = new();

    private bool Works => state.State is { Submission: not null, Ended: null };

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        if (Works)
        {
            LogGoesOn(this.GetPrimaryKeyString());
            Begin();
        }

        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) => await _leave.CancelAsync();

    /// <inheritdoc/>
    public async Task SubmitAsync(RunSubmission submission)
    {
        if (Works)
            return;
        state.State = new RunDriverState { Submission = submission };
        await state.WriteStateAsync();
        // While nobody watches and no stage's grain lives, only a reminder brings the driver of a dead silo back.
        await this.RegisterOrUpdateReminder(Reminder, s_reminder, s_reminder);
        Begin();
    }

    /// <inheritdoc/>
    public Task<bool> PauseAsync() => WishAsync(training => training.PauseAsync());

    /// <inheritdoc/>
    public Task<bool> ResumeAsync() => WishAsync(training => training.ResumeAsync());

    /// <inheritdoc/>
    public async Task<bool> CancelAsync()
    {
        if (!Works)
            return false;
        state.State.Cancelled = true;
        await state.WriteStateAsync();
        await _cancel.CancelAsync();
        return true;
    }

    /// <inheritdoc/>
    public Task WakeAsync()
    {
        // Of a run that works in its own process there is no driver.
        if (state.State.Submission is null)
            DeactivateOnIdle();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task ReceiveReminder(string reminderName, TickStatus status) => WakeAsync();

    /// <inheritdoc/>
    public async Task<RunProgress> WaitAsync(long after)
    {
        await _changed.UntilAsync(() => !Works || _events.Added > after);
        RunLines lines;
        lock (_gate)
            lines = _events.From(after, EventsAtATime);
        // An activation that took over has told less than the one before it had.
        if (_events.Added < after)
            lines = new RunLines([], _events.Added);
        var s = state.State;
        return new RunProgress(s.Submission is null ? "none" : s.Ended ?? "running", s.Reason, lines.Lines, lines.Next);
    }

    private void Begin()
    {
        (_cancel, _leave) = (new CancellationTokenSource(), new CancellationTokenSource());
        if (state.State.Cancelled)
            _cancel.Cancel();
        var submission = state.State.Submission!;
        var runner = new StageRunner(GrainFactory, () => time.GetUtcNow() - submission.SubmittedAt, data);
        var replicas = Math.Max(1, silos.Active().Count) * submission.SlotsPerSilo;
        var request = new RunRequest
        {
            Folder = new RunFolder(submission.RunPath),
            Recipe = RecipeJson.Parse(submission.RecipeJson, "The submitted recipe"),
            CorpusPath = submission.CorpusPath,
            Replicas = replicas,
            SlotsPerSilo = submission.SlotsPerSilo,
            Silos = [],
            StopAfter = submission.StopAfter,
            SamplePrompt = submission.SamplePrompt,
        };
        var (cancel, leave) = (_cancel.Token, _leave.Token);
        var work = Task.Run(() => runner.RunAsync(request, new EventObserver(Write), cancel, leave));
        FinishAsync(work, leave).Ignore();
    }

    private async Task FinishAsync(Task<RunSummary> work, CancellationToken leave)
    {
        string ended;
        string? reason = null;
        try
        {
            await work;
            ended = "done";
        }
        catch (OperationCanceledException) when (leave.IsCancellationRequested)
        {
            return;
        }
        catch (OperationCanceledException)
        {
            ended = "cancelled";
        }
        catch (Exception error)
        {
            if (error is not UserErrorException)
                LogFailed(error);
            (ended, reason) = ("failed", error.Message);
        }

        (state.State.Ended, state.State.Reason) = (ended, reason);
        _changed.Changed();
        try
        {
            await state.WriteStateAsync();
            if (await this.GetReminder(Reminder) is { } reminder)
                await this.UnregisterReminder(reminder);
        }
        catch (Exception error)
        {
            // Whoever watches is told from memory; a store that has lost the run brings nobody back for it.
            LogNotNoted(error);
        }
    }

    /// <summary>Tells the stage that is being trained.</summary>
    private async Task<bool> WishAsync(Func<ITrainingRunGrain, Task> say)
    {
        if (!Works)
            return false;
        foreach (var stage in (string[])[StageNames.Pretraining, StageNames.FineTuning])
        {
            var training = GrainFactory.GetGrain<ITrainingRunGrain>(TrainingJob.KeyOf(this.GetPrimaryKeyString(), stage));
            if (await training.GetStatusAsync() is not { State: "running" or "paused" })
                continue;
            await say(training);
            return true;
        }

        return false;
    }

    private void Write(string line)
    {
        lock (_gate)
            _events.Add(line);
        _changed.Changed();
    }

    [LoggerMessage(LogLevel.Information, "The run {Run} goes on from its folder on another silo")]
    private partial void LogGoesOn(string run);

    [LoggerMessage(LogLevel.Warning, "The run's end could not be noted")]
    private partial void LogNotNoted(Exception error);

    [LoggerMessage(LogLevel.Error, "The run failed")]
    private partial void LogFailed(Exception error);
}
