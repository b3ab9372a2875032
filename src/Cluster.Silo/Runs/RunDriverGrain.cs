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
public sealed record RunDriverState : ISubmittedWorkState
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

    bool ISubmittedWorkState.Submitted => Submission is not null;
}

/// <inheritdoc cref="IRunDriverGrain"/>
[KeepAlive]
public sealed class RunDriverGrain : Grain, IRunDriverGrain, IRemindable
{
    private const int MostEvents = 20_000, EventsAtATime = 2_000;

    private readonly LineLog _events = new(MostEvents, line => !line.Contains("\"point\":", StringComparison.Ordinal));
    private readonly Lock _gate = new();
    private readonly LongPoll _changed = new();
    private readonly IPersistentState<RunDriverState> _state;
    private readonly TrainingSilos _silos;
    private readonly TimeProvider _time;
    private readonly DataInstruments _data;
    private readonly SubmittedWork<RunDriverState> _work;

    /// <param name="state">What another silo has to know.</param>
    /// <param name="silos">Those that train.</param>
    /// <param name="time">Clocks the run.</param>
    /// <param name="data">Shown what becomes of the text.</param>
    /// <param name="logger">Takes failures.</param>
    public RunDriverGrain(
        [PersistentState("run-driver")] IPersistentState<RunDriverState> state, TrainingSilos silos, TimeProvider time, DataInstruments data, ILogger<RunDriverGrain> logger)
    {
        (_state, _silos, _time, _data) = (state, silos, time, data);
        _work = new SubmittedWork<RunDriverState>(state, new WorkReminder(this), Start, _changed.Changed, logger);
    }

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        _work.Activate(this.GetPrimaryKeyString());
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) => _work.LeaveAsync();

    /// <inheritdoc/>
    public Task SubmitAsync(RunSubmission submission) => _work.SubmitAsync(new RunDriverState { Submission = submission });

    /// <inheritdoc/>
    public Task<bool> PauseAsync() => WishAsync(training => training.PauseAsync());

    /// <inheritdoc/>
    public Task<bool> ResumeAsync() => WishAsync(training => training.ResumeAsync());

    /// <inheritdoc/>
    public Task<bool> CancelAsync() => _work.CancelAsync();

    /// <inheritdoc/>
    public Task WakeAsync()
    {
        // Of a run that works in its own process there is no driver.
        if (_state.State.Submission is null)
            DeactivateOnIdle();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task ReceiveReminder(string reminderName, TickStatus status) => WakeAsync();

    /// <inheritdoc/>
    public async Task<RunProgress> WaitAsync(long after)
    {
        await _changed.UntilAsync(() => !_work.Works || _events.Added > after);
        RunLines lines;
        lock (_gate)
            lines = _events.From(after, EventsAtATime);
        // An activation that took over has told less than the one before it had.
        if (_events.Added < after)
            lines = new RunLines([], _events.Added);
        return new RunProgress(_work.State, _state.State.Reason, lines.Lines, lines.Next);
    }

    private Task Start(CancellationToken cancel, CancellationToken leave)
    {
        var submission = _state.State.Submission!;
        var runner = new StageRunner(GrainFactory, () => _time.GetUtcNow() - submission.SubmittedAt, _data);
        var replicas = Math.Max(1, _silos.Active().Count) * submission.SlotsPerSilo;
        var request = new RunRequest
        {
            Folder = new RunFolder(submission.RunPath),
            Recipe = RecipeJson.Parse(submission.RecipeJson, "The submitted recipe"),
            CorpusPath = submission.CorpusPath,
            Replicas = replicas,
            SlotsPerSilo = submission.SlotsPerSilo,
            Silos = [],
            SubmittedAt = submission.SubmittedAt,
            StopAfter = submission.StopAfter,
            SamplePrompt = submission.SamplePrompt,
        };
        return Task.Run(() => runner.RunAsync(request, new EventObserver(Write), cancel, leave));
    }

    /// <summary>Tells the stage that is being trained.</summary>
    private async Task<bool> WishAsync(Func<ITrainingRunGrain, Task> say)
    {
        if (!_work.Works)
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
}
