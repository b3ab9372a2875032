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
public sealed record CorpusState : ISubmittedWorkState
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

    /// <summary>Whether it is to end early.</summary>
    [Id(3)]
    public bool Cancelled { get; set; }

    bool ISubmittedWorkState.Submitted => Submission is not null;
}

/// <inheritdoc cref="ICorpusGrain"/>
[KeepAlive]
public sealed partial class CorpusGrain : Grain, ICorpusGrain, IRemindable
{
    private static readonly TimeSpan s_look = TimeSpan.FromMilliseconds(250);

    private readonly IPersistentState<CorpusState> _state;
    private readonly DataSilos _silos;
    private readonly TimeProvider _time;
    private readonly ILogger<CorpusGrain> _logger;
    private readonly SubmittedWork<CorpusState> _work;
    private readonly LongPoll _changed = new();
    private CorpusBuildProgress _progress = new("plan", 0, 0);
    private int _lost;
    private long _changes;

    /// <param name="state">What another silo has to know.</param>
    /// <param name="silos">Those that build.</param>
    /// <param name="time">Clocks pauses.</param>
    /// <param name="logger">Takes what happens to units.</param>
    public CorpusGrain([PersistentState("corpus")] IPersistentState<CorpusState> state, DataSilos silos, TimeProvider time, ILogger<CorpusGrain> logger)
    {
        (_state, _silos, _time, _logger) = (state, silos, time, logger);
        _work = new SubmittedWork<CorpusState>(state, new WorkReminder(this), Start, Change, logger);
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
    public Task SubmitAsync(CorpusSubmission submission) => _work.SubmitAsync(new CorpusState { Submission = submission });

    /// <inheritdoc/>
    public Task<bool> CancelAsync() => _work.CancelAsync();

    /// <inheritdoc/>
    public async Task<CorpusProgress> WaitAsync(long after)
    {
        // An activation that took over counts from nought.
        await _changed.UntilAsync(() => !_work.Works || Volatile.Read(ref _changes) != after);
        var progress = _progress;
        return new CorpusProgress(
            _work.State, _state.State.Reason, progress.Phase, progress.Done, progress.Units, Volatile.Read(ref _lost), Volatile.Read(ref _changes));
    }

    /// <inheritdoc/>
    public Task WakeAsync()
    {
        if (_state.State.Submission is null)
            DeactivateOnIdle();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task ReceiveReminder(string reminderName, TickStatus status) => WakeAsync();

    private Task Start(CancellationToken cancel, CancellationToken leave)
    {
        // Off the grain's turns only what is taken along here may be used.
        var (submission, name, grains) = (_state.State.Submission!, this.GetPrimaryKeyString(), GrainFactory);
        return Task.Run(async () =>
        {
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancel, leave);
            await BuildAsync(submission, name, grains, stop.Token);
        });
    }

    private async Task BuildAsync(CorpusSubmission submission, string name, IGrainFactory grains, CancellationToken cancellation)
    {
        var folder = new CorpusFolder(submission.Folder);
        var recipe = CurationRecipeJson.Parse(submission.RecipeJson, "The submitted recipe");
        var resources = new CorpusResources
        {
            Workers = submission.WorkersPerSilo,
            MemoryBytes = submission.MemoryBytes,
            Embeddings = new RunEmbeddings(),
        };
        var job = await CorpusJob.PrepareAsync(folder, recipe, resources, _time, cancellation: cancellation);
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
        cancellation.ThrowIfCancellationRequested();
        var pending = new ConcurrentQueue<int>(job.Pending(phase));
        var left = pending.Count;
        Show(new CorpusBuildProgress(phase.Name, phase.Units - left, phase.Units));
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        // One task for each worker that is there; silos come and go meanwhile.
        var workers = new Dictionary<string, Task>(StringComparer.Ordinal);
        while (Volatile.Read(ref left) > 0)
        {
            foreach (var silo in _silos.Active())
            {
                for (var slot = 0; slot < submission.WorkersPerSilo && !pending.IsEmpty; slot++)
                {
                    var key = new ReplicaKey(name, silo, slot).ToString();
                    if (workers.GetValueOrDefault(key) is null or { IsCompleted: true })
                        workers[key] = WorkAsync(key);
                }
            }

            await Task.WhenAny([.. workers.Values.Where(task => !task.IsCompleted), Task.Delay(s_look, _time, failed.Token)]);
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
        Change();
    }

    private void Change()
    {
        Interlocked.Increment(ref _changes);
        _changed.Changed();
    }

    [LoggerMessage(LogLevel.Information, "Unit {Unit} of the phase {Phase} was lost with {Worker} and is given out again")]
    private partial void LogLost(Exception error, string phase, int unit, string worker);
}
