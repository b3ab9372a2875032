// Hands out a build's units and waits for them, beside the grain's turns. Enters: a submission. Leaves: the corpus in its folder.
// What is done lies there: an activation that takes over goes on with the units that have no marker.
using System.Collections.Concurrent;
using Cluster.Contracts.Corpus;
using Cluster.Contracts.Training;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;
using Cluster.Silo.Hosting;
using Cluster.Silo.Reports;
using Microsoft.Extensions.Logging;

namespace Cluster.Silo.Corpus;

/// <summary>What the coordinator of a corpus must know on another silo.</summary>
[GenerateSerializer]
public sealed record CorpusState
{
    /// <summary>The build; null before the first.</summary>
    [Id(0)]
    public CorpusSubmission? Submission { get; set; }

    /// <summary>How it ended; null while it goes on.</summary>
    [Id(1)]
    public string? Ended { get; set; }

    /// <summary>Why it failed.</summary>
    [Id(2)]
    public string? Reason { get; set; }
}

/// <inheritdoc cref="ICorpusGrain"/>
[KeepAlive]
public sealed partial class CorpusGrain(
    [PersistentState("corpus")] IPersistentState<CorpusState> state, DataSilos silos, TimeProvider time, ILogger<CorpusGrain> logger)
    : Grain, ICorpusGrain, IRemindable
{
    private const string Reminder = "wake";
    private static readonly TimeSpan s_reminder = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(250);

    private readonly LongPoll _changed = new();
    private CancellationTokenSource _cancel = new(), _leave = new();
    private CorpusBuildProgress _progress = new("plan", 0, 0);
    private int _lost;
    private long _changes;

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
    public async Task SubmitAsync(CorpusSubmission submission)
    {
        if (Works)
            return;
        state.State = new CorpusState { Submission = submission };
        await state.WriteStateAsync();
        // While nobody watches, only a reminder brings the coordinator of a dead silo back.
        await this.RegisterOrUpdateReminder(Reminder, s_reminder, s_reminder);
        Begin();
    }

    /// <inheritdoc/>
    public async Task<bool> CancelAsync()
    {
        if (!Works)
            return false;
        await _cancel.CancelAsync();
        return true;
    }

    /// <inheritdoc/>
    public async Task<CorpusProgress> WaitAsync(long after)
    {
        // An activation that took over counts from nought.
        await _changed.UntilAsync(() => !Works || Volatile.Read(ref _changes) != after);
        var (s, progress) = (state.State, _progress);
        return new CorpusProgress(
            s.Submission is null ? "none" : s.Ended ?? "running", s.Reason, progress.Phase, progress.Done, progress.Units, Volatile.Read(ref _lost), Volatile.Read(ref _changes));
    }

    /// <inheritdoc/>
    public Task WakeAsync()
    {
        if (state.State.Submission is null)
            DeactivateOnIdle();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task ReceiveReminder(string reminderName, TickStatus status) => WakeAsync();

    private void Begin()
    {
        (_cancel, _leave) = (new CancellationTokenSource(), new CancellationTokenSource());
        // Off the grain's turns only what is taken along here may be used.
        var (submission, name, grains) = (state.State.Submission!, this.GetPrimaryKeyString(), GrainFactory);
        var stop = CancellationTokenSource.CreateLinkedTokenSource(_cancel.Token, _leave.Token);
        var work = Task.Run(() => BuildAsync(submission, name, grains, stop.Token));
        FinishAsync(work, stop, _leave.Token).Ignore();
    }

    private async Task BuildAsync(CorpusSubmission submission, string name, IGrainFactory grains, CancellationToken cancellation)
    {
        var folder = new CorpusFolder(submission.Folder);
        var recipe = CurationRecipeJson.Parse(submission.RecipeJson, "The submitted recipe");
        var resources = new CorpusResources { Workers = submission.WorkersPerSilo, MemoryBytes = submission.MemoryBytes };
        var job = await CorpusJob.PrepareAsync(folder, recipe, resources, time, cancellation: cancellation);
        if (CorpusSummary.Load(folder) is null)
        {
            foreach (var phase in job.Phases)
                await PhaseAsync(job, phase, submission, name, grains, cancellation);
            job.Finish();
        }

        CorpusPage.Write(folder, CorpusSummary.Load(folder)!);
    }

    private async Task PhaseAsync(
        CorpusJob job, CorpusPhase phase, CorpusSubmission submission, string name, IGrainFactory grains, CancellationToken cancellation)
    {
        var pending = new ConcurrentQueue<int>(job.Pending(phase));
        var left = pending.Count;
        Show(new CorpusBuildProgress(phase.Name, phase.Units - left, phase.Units));
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        // One task for each worker that is there; silos come and go meanwhile.
        var workers = new Dictionary<string, Task>(StringComparer.Ordinal);
        while (Volatile.Read(ref left) > 0)
        {
            foreach (var silo in silos.Active())
            {
                for (var slot = 0; slot < submission.WorkersPerSilo && !pending.IsEmpty; slot++)
                {
                    var key = new ReplicaKey(name, silo, slot).ToString();
                    if (workers.GetValueOrDefault(key) is null or { IsCompleted: true })
                        workers[key] = WorkAsync(key);
                }
            }

            await Task.WhenAny([.. workers.Values.Where(task => !task.IsCompleted), Task.Delay(s_look, time, failed.Token)]);
            if (workers.Values.FirstOrDefault(task => task.IsFaulted) is { } broken)
            {
                await failed.CancelAsync();
                await broken;
            }

            cancellation.ThrowIfCancellationRequested();
        }

        async Task WorkAsync(string key)
        {
            var worker = grains.GetGrain<ICorpusWorkerGrain>(key);
            while (pending.TryDequeue(out var unit))
            {
                CorpusUnitState answer;
                try
                {
                    answer = await DoAsync(worker, new CorpusUnit(submission.Folder, phase.Name, unit, submission.MemoryBytes / submission.WorkersPerSilo), failed.Token);
                }
                catch (Exception error) when (error is OrleansException or TimeoutException or InvalidOperationException)
                {
                    // The silo is gone, or on its way; another one does the unit, or the same again once it is back.
                    LogLost(error, phase.Name, unit, key);
                    Interlocked.Increment(ref _lost);
                    pending.Enqueue(unit);
                    return;
                }

                switch (answer.State)
                {
                    case "done":
                        Show(new CorpusBuildProgress(phase.Name, phase.Units - Interlocked.Decrement(ref left), phase.Units));
                        break;
                    case "failed":
                        throw answer.Remedy is { } remedy ? new UserErrorException(answer.What!, remedy) : new InvalidDataException(answer.What);
                    default:
                        Interlocked.Increment(ref _lost);
                        pending.Enqueue(unit);
                        return;
                }
            }
        }
    }

    private static async Task<CorpusUnitState> DoAsync(ICorpusWorkerGrain worker, CorpusUnit unit, CancellationToken cancellation)
    {
        await worker.StartAsync(unit).WaitAsync(cancellation);
        while (true)
        {
            var answer = await worker.WaitAsync(unit).WaitAsync(cancellation);
            if (answer.State != "running")
                return answer;
        }
    }

    private void Show(CorpusBuildProgress progress)
    {
        _progress = progress;
        Interlocked.Increment(ref _changes);
        _changed.Changed();
    }

    private async Task FinishAsync(Task work, CancellationTokenSource stop, CancellationToken leave)
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

        stop.Dispose();
        (state.State.Ended, state.State.Reason) = (ended, reason);
        Interlocked.Increment(ref _changes);
        _changed.Changed();
        try
        {
            await state.WriteStateAsync();
            if (await this.GetReminder(Reminder) is { } reminder)
                await this.UnregisterReminder(reminder);
        }
        catch (Exception error)
        {
            // Whoever watches is told from memory; a store that has lost the build brings nobody back for it.
            LogNotNoted(error);
        }
    }

    [LoggerMessage(LogLevel.Information, "The corpus {Corpus} goes on from its folder on another silo")]
    private partial void LogGoesOn(string corpus);

    [LoggerMessage(LogLevel.Information, "Unit {Unit} of the phase {Phase} was lost with {Worker} and is given out again")]
    private partial void LogLost(Exception error, string phase, int unit, string worker);

    [LoggerMessage(LogLevel.Warning, "The corpus' end could not be noted")]
    private partial void LogNotNoted(Exception error);

    [LoggerMessage(LogLevel.Error, "The corpus failed")]
    private partial void LogFailed(Exception error);
}
