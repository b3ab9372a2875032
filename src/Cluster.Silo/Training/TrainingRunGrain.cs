// A stage's driver. Enters: a job; results of steps and validations. Leaves: halts, validations, checkpoints, metrics, an end.
// The order of things at a halt: validate, save, perhaps end, go on. Does not know: gradients, lanes' tokens, files' formats.
using System.Diagnostics;
using System.Security.Cryptography;
using Cluster.Contracts.Checkpoints;
using Cluster.Contracts.Runs;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Placement;
using Orleans.Storage;

namespace Cluster.Silo.Training;

/// <summary>What the driver of a stage must know on the silo where it goes on after the death of its own.</summary>
[GenerateSerializer]
public sealed record TrainingRunState
{
    /// <summary>The stage at hand; null before it begins.</summary>
    [Id(0)]
    public TrainingRunRequest? Request { get; set; }

    /// <summary>Steps of the last halt that is done with: what was to be validated and saved there is.</summary>
    [Id(1)]
    public long HandledHalt { get; set; }

    /// <summary>The best validation loss at planned halts.</summary>
    [Id(2)]
    public double? BestValidationLoss { get; set; }

    /// <summary>Planned validations since.</summary>
    [Id(3)]
    public int ValidationsWithoutImprovement { get; set; }

    /// <summary>The last validation loss.</summary>
    [Id(4)]
    public double? ValidationLoss { get; set; }

    /// <summary>Whether it is to wait.</summary>
    [Id(5)]
    public bool Paused { get; set; }

    /// <summary>Whether it is to end early.</summary>
    [Id(6)]
    public bool Cancelled { get; set; }

    /// <summary>How it ended; null while it goes on.</summary>
    [Id(7)]
    public string? Ended { get; set; }

    /// <summary>Why, or null.</summary>
    [Id(8)]
    public string? Reason { get; set; }

    /// <summary>Seconds of training, up to the last halt or to the end.</summary>
    [Id(9)]
    public double Seconds { get; set; }

    /// <summary>Steps committed when it ended.</summary>
    [Id(10)]
    public long Steps { get; set; }

    /// <summary>The last checkpoint when it ended, or null.</summary>
    [Id(11)]
    public CheckpointInfo? Checkpoint { get; set; }

    /// <summary>How often an activation has taken charge: one that hung, was replaced and wakes up has a lower one than the other.</summary>
    [Id(12)]
    public long Turn { get; set; }

    /// <summary>Checkpoints that the stage was rolled back to, because no replica had all of a sharded optimizer's state any more.</summary>
    [Id(13)]
    public int CheckpointsLoaded { get; set; }

    /// <summary>What the replica with most of it needed at the end.</summary>
    [Id(14)]
    public ReplicaBytes? Memory { get; set; }
}

/// <inheritdoc cref="ITrainingRunGrain"/>
[KeepAlive, PreferLocalPlacement]
public sealed partial class TrainingRunGrain(
    [PersistentState("training-run")] IPersistentState<TrainingRunState> state, TrainingInstruments instruments, ILogger<TrainingRunGrain> logger)
    : Grain, ITrainingRunGrain
{
    /// <summary>Attempts at a checkpoint that must be written.</summary>
    private const int MaxSaves = 3;

    /// <summary>Alerts that are kept for those who watch; the log has them all.</summary>
    private const int MostAlerts = 100;

    private static readonly TimeSpan s_storePause = TimeSpan.FromSeconds(1), s_takeOver = TimeSpan.FromMilliseconds(100);
    private readonly List<string> _lines = [], _unwritten = [], _alerts = [];
    private readonly Throughput _throughput = new();
    private readonly LongPoll _changed = new(), _wish = new(), _evaluated = new();
    private Recipe _recipe = new();
    private EarlyStop _early = new(0, null, 0);
    private Validation? _validation;
    private CheckpointInfo? _checkpoint;
    private MetricsFile? _metrics;
    private CoordinatorProgress _progress = Nothing(0);
    private string _state = "failed";
    private string? _reason = "It has not begun.";
    private double? _validationLoss;
    private long _startedAt, _tokens, _recorded;
    private bool _left;

    private TrainingRunRequest Request => state.State.Request!;

    private TrainingJob Job => Request.Job;

    private IAllReduceGrain AllReduce => GrainFactory.GetGrain<IAllReduceGrain>(Job.Key);

    private ICheckpointGrain Checkpoints => GrainFactory.GetGrain<ICheckpointGrain>(Job.Key);

    private IScheduleGrain Schedule => GrainFactory.GetGrain<IScheduleGrain>(Job.Key);

    private IShardGrain Shards => GrainFactory.GetGrain<IShardGrain>(Job.Key);

    private double Seconds => state.State.Seconds + (state.State.Ended is null ? Stopwatch.GetElapsedTime(_startedAt).TotalSeconds : 0);

    /// <inheritdoc/>
    public override Task OnActivateAsync(CancellationToken cancellationToken)
    {
        if (state.State.Request is null)
            return Task.CompletedTask;
        if (state.State.Ended is { } ended)
        {
            (_state, _reason, _validationLoss, _checkpoint) = (ended, state.State.Reason, state.State.ValidationLoss, state.State.Checkpoint);
            _progress = Nothing(state.State.Steps);
            return Task.CompletedTask;
        }

        // Lines are written before anybody is told of them: the file has all that were, and their order is the same for those who ask on.
        var lines = MetricsFile.After(new RunFolder(Job.RunPath), Job.Stage, Job.FirstStep);
        _lines.AddRange(lines.Select(RunJson.Line));
        _recorded = lines.Where(p => p.Loss is not null).Select(p => p.Step).DefaultIfEmpty(Job.FirstStep).Max();
        LogGoesOn(Job.Key, state.State.HandledHalt);
        Begin(resumed: true);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public override Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken)
    {
        // With a silo that dies goes its part of the directory, and the activations it knew of: the next one goes on.
        _left = true;
        _wish.Changed();
        _metrics?.Dispose();
        if (state.State.Request is not null)
            instruments.Forget(Job.Run, Job.Stage);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task StartAsync(TrainingRunRequest request)
    {
        if (_state is "running" or "paused")
            throw new InvalidOperationException($"{this.GetPrimaryKeyString()} is running already.");
        state.State = new TrainingRunState
        {
            Request = request,
            HandledHalt = request.Job.FirstStep,
            BestValidationLoss = request.BestValidationLoss,
            ValidationsWithoutImprovement = request.ValidationsWithoutImprovement,
            Seconds = request.Seconds,
            Turn = state.State.Turn + 1,
        };
        await state.WriteStateAsync();
        _lines.Clear();
        _unwritten.Clear();
        _alerts.Clear();
        _recorded = request.Job.FirstStep;
        Begin(resumed: false);
    }

    /// <inheritdoc/>
    public Task WakeAsync() => Task.CompletedTask;

    /// <inheritdoc/>
    public Task PauseAsync() => WishAsync(s => s.Paused = true);

    /// <inheritdoc/>
    public Task ResumeAsync() => WishAsync(s => s.Paused = false);

    /// <inheritdoc/>
    public Task CancelAsync() => WishAsync(s => s.Cancelled = true);

    /// <inheritdoc/>
    public Task EvaluatedAsync(EvaluationResult result)
    {
        _validation?.Receive(result);
        if (_validation is { Complete: true })
            _evaluated.Changed();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<TrainingStatus> WaitAsync(long after)
    {
        var state = _state;
        await _changed.UntilAsync(() => _lines.Count > after || _state != state || _state is not ("running" or "paused"));
        return Status(after);
    }

    /// <inheritdoc/>
    public Task<TrainingStatus?> GetStatusAsync() => Task.FromResult(state.State.Request is null ? null : Status(_lines.Count));

    /// <inheritdoc/>
    public Task<TrainingRunRequest?> GetRequestAsync() => Task.FromResult(state.State.Request);

    private TrainingStatus Status(long after) => new(
        _state, _reason, _progress.Steps, state.State.Request is null ? 0 : Seconds, [.. _lines.Skip((int)Math.Min(after, _lines.Count))], _lines.Count,
        _checkpoint, _validationLoss, _progress.Members.Count, _progress.LostLanes, [.. _alerts], state.State.CheckpointsLoaded, state.State.Memory);

    /// <inheritdoc/>
    public async Task<SampleReply?> SampleAsync(SampleRequest request)
    {
        foreach (var member in _progress.Members)
        {
            try
            {
                return await Replica(member).SampleAsync(request);
            }
            catch (Exception error) when (error is OrleansException or TimeoutException or InvalidOperationException or ObjectDisposedException)
            {
                LogNoSample(member, error.Message);
            }
        }

        return null;
    }

    /// <summary>What is known before the coordinator was asked.</summary>
    private static CoordinatorProgress Nothing(long steps) => new(steps, [], 0, [], 0, false, null);

    private void Begin(bool resumed)
    {
        _recipe = RecipeJson.Parse(Job.RecipeJson, "The job's recipe");
        _early = new EarlyStop(_recipe.Training.Patience, state.State.BestValidationLoss, state.State.ValidationsWithoutImprovement);
        (_state, _reason, _checkpoint, _validationLoss) = ("running", null, null, state.State.ValidationLoss);
        _progress = Nothing(state.State.HandledHalt);
        _startedAt = Stopwatch.GetTimestamp();
        _throughput.Restart();
        instruments.Run(Job.Run, Job.Stage, running: true, Request.BitsPerByteOfNat);
        RunAsync(resumed).Ignore();
    }

    private async Task RunAsync(bool resumed)
    {
        try
        {
            (_state, _reason) = await TrainAsync(resumed);
        }
        catch (Exception) when (_left)
        {
            return;
        }
        catch (Exception error)
        {
            if (error is not UserErrorException)
                LogFailed(error);
            // What to do is for whoever shows it to say.
            (_state, _reason) = ("failed", error is UserErrorException user ? user.What : error.Message);
        }

        if (_left)
            return;
        instruments.Run(Job.Run, Job.Stage, running: false);
        var s = state.State;
        (s.Seconds, s.Steps, s.Checkpoint, s.ValidationLoss, s.Reason, s.Ended) = (Seconds, _progress.Steps, _checkpoint, _validationLoss, _reason, _state);
        try
        {
            await SaveStateAsync();
            await Call(() => AllReduce.EndAsync());
        }
        catch (Exception error)
        {
            LogFailed(error);
        }

        Shards.CloseAsync().Ignore();
        _changed.Changed();
    }

    /// <summary>Takes charge: from here on an activation before this one writes nothing and is told nothing.</summary>
    private async Task TakeOverAsync(RunFolder folder)
    {
        state.State.Turn++;
        await SaveStateAsync();
        _metrics?.Dispose();
        _metrics = MetricsFile.Own(folder);
        var lines = MetricsFile.After(folder, Job.Stage, Job.FirstStep).Skip(_lines.Count).ToArray();
        _lines.AddRange(lines.Select(RunJson.Line));
        _recorded = lines.Where(p => p.Loss is not null).Select(p => p.Step).DefaultIfEmpty(_recorded).Max();
    }

    /// <summary>From halt to halt; the state and the reason that it ends with.</summary>
    private async Task<(string State, string? Reason)> TrainAsync(bool resumed)
    {
        var folder = new RunFolder(Job.RunPath);
        if (resumed)
            await TakeOverAsync(folder);
        var handled = state.State.HandledHalt;
        // The driver's silo may have died before the job was given to anyone.
        var begun = resumed && (handled > Job.FirstStep || (await Call(() => AllReduce.GetProgressAsync())).Generation > 0);
        var halt = begun ? await Call(() => Schedule.GetHaltAsync(handled, Job.LastStep)) : await OpenAsync(folder);
        _tokens = StageSchedule.Of(_recipe, Job.Stage).TokensUntil(handled);
        if (begun)
            await Call(() => AllReduce.ContinueAsync(halt.Steps));
        while (true)
        {
            if (await ToHaltAsync(folder) is { } stopped)
            {
                if (!_progress.MomentsLost || state.State.Cancelled)
                    return ("failed", stopped);
                halt = await RollBackAsync(folder, stopped);
                continue;
            }

            var steps = _progress.Steps;
            if (steps == Job.FirstStep && steps < halt.Steps && state.State.Cancelled)
                return ("cancelled", "It was cancelled before its first step.");
            var last = steps >= Job.LastStep;
            var planned = steps == halt.Steps;
            if ((planned && halt.Evaluate) || last)
            {
                await ValidateAsync(folder, steps);
                // An end that the schedule does not know of must not count: it depends on where somebody stopped.
                if (planned && halt.Evaluate)
                    _early.Receive(_validationLoss!.Value);
            }

            var ends = last || _early.Stops;
            if ((planned && halt.Save) || ends || state.State.Cancelled)
                await SaveAsync(steps, mustSucceed: ends || state.State.Cancelled);
            if (ends || state.State.Cancelled)
            {
                WriteOut(folder);
                await MeasureAsync();
            }

            if (ends)
                return ("finished", last ? null : $"Validation has not got better for {_early.Without} validations.");
            if (state.State.Cancelled)
                return ("cancelled", null);
            await HandledAsync(steps);
            if (state.State.Paused)
            {
                _state = "paused";
                instruments.Run(Job.Run, Job.Stage, running: false);
                _changed.Changed();
                while (state.State.Paused && !state.State.Cancelled && !_left)
                    await _wish.NextAsync(CancellationToken.None);
                _state = "running";
                instruments.Run(Job.Run, Job.Stage, running: true);
                _changed.Changed();
                _throughput.Restart();
                if (state.State.Cancelled)
                {
                    await SaveAsync(steps, mustSucceed: true);
                    return ("cancelled", null);
                }
            }

            halt = await Call(() => Schedule.GetHaltAsync(steps, Job.LastStep));
            await Call(() => AllReduce.ContinueAsync(halt.Steps));
        }
    }

    private async Task<HaltMessage> OpenAsync(RunFolder folder)
    {
        // What an earlier process trained is history: for those who look at the run, not news for those who wait for steps.
        GrainFactory.GetGrain<IRunGrain>(Job.Run).AppendMetricsAsync(MetricsFile.Rewind(folder, Job.Stage, Job.FirstStep)).Ignore();
        _metrics?.Dispose();
        _metrics = MetricsFile.Own(folder);
        await Call(() => Schedule.OpenAsync(Job));
        await Call(() => Shards.OpenAsync(Job));
        await Call(() => Checkpoints.OpenAsync(CheckpointsFolder));
        var halt = await Call(() => Schedule.GetHaltAsync(Job.FirstStep, Job.LastStep));
        await Call(() => AllReduce.StartAsync(Job with { LastStep = halt.Steps }));
        return halt;
    }

    /// <summary>
    /// Begins the stage anew from its newest checkpoint, or where there is none from its beginning: the same steps are computed again, to
    /// the same bits (determinism.md, rule 16). Nothing else ever undoes a COMMIT.
    /// </summary>
    private async Task<HaltMessage> RollBackAsync(RunFolder folder, string reason)
    {
        // One that is being written may be the newest.
        await SavedAsync();
        await Call(() => Checkpoints.OpenAsync(CheckpointsFolder));
        var found = await Call(() => Checkpoints.FindLatestAsync());
        foreach (var warning in found.Warnings)
            Alert(warning);
        var s = state.State;
        if (found.Checkpoint is not { } checkpoint)
        {
            if (Job.FirstStep > 0)
                throw new UserErrorException($"{reason} There is no checkpoint to go back to.", "Start the run again.");
            checkpoint = new CheckpointInfo(Job.StartFrom ?? "", 0, 0, "", null, 0);
        }
        else
        {
            s.CheckpointsLoaded++;
        }

        Alert($"{reason} The run goes back to step {checkpoint.Steps} and computes the same steps again.");
        // The old job's replicas are not this one's: they have another secret.
        var job = Job with
        {
            FirstStep = checkpoint.Steps,
            StartFrom = checkpoint.Path.Length > 0 ? checkpoint.Path : null,
            Secret = RandomNumberGenerator.GetBytes(32),
        };
        s.Request = Request with { Job = job };
        (s.HandledHalt, s.BestValidationLoss, s.ValidationsWithoutImprovement) = (
            checkpoint.Steps, checkpoint.BestValidationLoss, checkpoint.ValidationsWithoutImprovement);
        (s.Seconds, _startedAt) = (Seconds, Stopwatch.GetTimestamp());
        await SaveStateAsync();
        _early = new EarlyStop(_recipe.Training.Patience, s.BestValidationLoss, s.ValidationsWithoutImprovement);
        _unwritten.Clear();
        _recorded = checkpoint.Steps;
        _tokens = StageSchedule.Of(_recipe, Job.Stage).TokensUntil(checkpoint.Steps);
        _progress = Nothing(checkpoint.Steps);
        _throughput.Restart();
        return await OpenAsync(folder);
    }

    private Task HandledAsync(long steps)
    {
        var s = state.State;
        (s.HandledHalt, s.BestValidationLoss, s.ValidationsWithoutImprovement, s.ValidationLoss) = (steps, _early.Best, _early.Without, _validationLoss);
        (s.Seconds, _startedAt) = (Seconds, Stopwatch.GetTimestamp());
        return SaveStateAsync();
    }

    /// <summary>Writes what the next activation needs. A store that is out is waited for: training does the same.</summary>
    private async Task SaveStateAsync()
    {
        while (true)
        {
            try
            {
                await state.WriteStateAsync();
                return;
            }
            catch (InconsistentStateException)
            {
                var mine = state.State;
                await state.ReadStateAsync();
                var isEmpty = !state.RecordExists;
                state.State = mine;
                if (isEmpty)
                {
                    throw new UserErrorException(
                        "The store has come back empty: it does not know this run.", "Resume from the last checkpoint.");
                }

                Leave();
                throw;
            }
            catch (Exception error) when (!_left)
            {
                LogStoreOut(error.Message);
                await Task.Delay(s_storePause);
            }
        }
    }

    /// <summary>Another activation is in charge, and goes on.</summary>
    private void Leave()
    {
        _left = true;
        DeactivateOnIdle();
    }

    /// <summary>A call to another of the stage's grains, which may be moving.</summary>
    private static Task<T> Call<T>(Func<Task<T>> call) => GrainCalls.RetryAsync(call, CancellationToken.None);

    private static Task Call(Func<Task> call) => GrainCalls.RetryAsync(call, CancellationToken.None);

    /// <summary>Records steps until the coordinator rests; the reason if it cannot go on.</summary>
    private async Task<string?> ToHaltAsync(RunFolder folder)
    {
        while (true)
        {
            var waiting = Call(() => AllReduce.WaitForProgressAsync(_progress.Steps, state.State.Turn));
            while (!waiting.IsCompleted)
            {
                if (state.State.Paused || state.State.Cancelled)
                {
                    await Call(() => AllReduce.HaltAsync());
                    await waiting;
                }
                else
                {
                    await Task.WhenAny(waiting, _wish.Next);
                }
            }

            var progress = await waiting;
            if (progress.Superseded)
            {
                Leave();
                ObjectDisposedException.ThrowIf(_left, this);
            }

            _progress = progress;
            await RecordAsync(folder);
            if (_progress.Stopped is not null || _progress.Finished)
                return _progress.Stopped;
        }
    }

    private async Task RecordAsync(RunFolder folder)
    {
        var points = new List<MetricPoint>();
        // A coordinator that took over tells of its last step again.
        foreach (var result in _progress.Results.Where(r => r.Steps > _recorded))
        {
            var step = await Call(() => Schedule.GetStepAsync(result.Steps - 1));
            var tokens = await Call(() => Shards.GetTokensAsync(result.Steps - 1));
            _tokens = step.TokensBefore + step.Tokens;
            _recorded = result.Steps;
            var rate = _throughput.Mark(Seconds, _tokens);
            points.Add(new MetricPoint
            {
                Stage = Job.Stage,
                Step = result.Steps,
                Seconds = Math.Round(Seconds, 3),
                Tokens = _tokens,
                Phase = step.Phase,
                Loss = result.Loss / tokens,
                LearningRate = step.LearningRate,
                GradientNorm = result.GradientNorm,
                TokensPerSecond = rate > 0 ? Math.Round(rate, 1) : null,
                Mfu = rate > 0 && Request.PeakFlops > 0 ? rate * ModelFlops.TrainingPerToken(_recipe.Model, step.Context) / Request.PeakFlops : null,
            });
        }

        Publish(folder, points);
    }

    private async Task ValidateAsync(RunFolder folder, long steps)
    {
        var validation = _validation = new Validation(steps, _recipe.Training.Lanes);
        while (!validation.Complete)
        {
            foreach (var (replica, firstLane, lanes) in validation.Ask(_progress.Members))
                await CallAsync(replica, r => r.EvaluateAsync(steps, firstLane, lanes));
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
            if (!validation.Complete)
                await _evaluated.NextAsync(patience.Token);
            if (validation.Complete)
                break;
            // Long, or lost? A silo that does not answer is lost, and its lanes are asked of the others.
            foreach (var member in _progress.Members)
            {
                if (await GrainCalls.ProbeAsync(Replica(member), member) is { IsThere: not true, Failure: var failure })
                    await Call(() => AllReduce.FailedAsync(member, failure ?? "Its silo has it no more."));
            }

            _progress = await PeopledAsync();
        }

        _validation = null;
        _validationLoss = validation.Mean;
        _throughput.Restart();
        Publish(folder, [new MetricPoint { Stage = Job.Stage, Step = steps, Seconds = Math.Round(Seconds, 3), Tokens = _tokens, ValidationLoss = _validationLoss }]);
    }

    /// <summary>
    /// Where the coordinator stands, with somebody in it: one that takes over knows nobody until the replicas have answered it, and says itself
    /// when all of them are lost.
    /// </summary>
    /// <exception cref="InvalidOperationException">It has stopped.</exception>
    private async Task<CoordinatorProgress> PeopledAsync()
    {
        while (true)
        {
            var progress = await Call(() => AllReduce.GetProgressAsync());
            if (progress.Stopped is { } reason)
                throw new InvalidOperationException(reason);
            if (progress.Members.Count > 0)
                return progress;
            await Task.Delay(s_takeOver);
        }
    }

    /// <summary>Starts saving, once the last checkpoint is on disk; with <paramref name="mustSucceed"/> waits and insists.</summary>
    private async Task SaveAsync(long steps, bool mustSucceed)
    {
        for (var attempt = 1; ; attempt++)
        {
            await SavedAsync();
            if (_checkpoint?.Steps == steps)
                return;
            if (_progress.Members.Count == 0)
                _progress = await PeopledAsync();
            var request = new CheckpointRequest(CheckpointsFolder, steps, _tokens, Seconds, _early.Best, _early.Without);
            await Call(() => Checkpoints.SaveAsync(_progress.Members[0], request));
            if (!mustSucceed)
            {
                NoticeAsync(steps).Ignore();
                return;
            }

            if (await SavedAsync() is not { } error)
                return;
            if (attempt == MaxSaves)
                throw new UserErrorException($"The checkpoint of step {steps} is not written: {error}", "Mend that and run the same command again; it goes on from the last one.");
            // The one that wrote may be lost; another holds the same state.
            _progress = await PeopledAsync();
        }
    }

    /// <summary>A checkpoint that is not written is somebody's to mend, and no reason to stop.</summary>
    private async Task NoticeAsync(long steps)
    {
        if (await SavedAsync() is { } error)
            Alert($"The checkpoint of step {steps} is not written: {error} Training goes on; the next one is tried at its time.");
    }

    private void Alert(string text)
    {
        LogAlert(text);
        instruments.Alert(Job.Run, Job.Stage);
        if (_alerts.Count == MostAlerts)
            return;
        _alerts.Add(text);
        _changed.Changed();
    }

    /// <summary>Waits until nothing is being written; why the last was not, or null.</summary>
    private async Task<string?> SavedAsync()
    {
        CheckpointOutcome outcome;
        do
            outcome = await Call(() => Checkpoints.WaitAsync());
        while (outcome.Pending);
        _checkpoint = outcome.Last;
        return outcome.Error;
    }

    /// <summary>Notes what memory replicas take; one that does not answer is not worth waiting for.</summary>
    private async Task MeasureAsync()
    {
        foreach (var member in _progress.Members)
        {
            try
            {
                var bytes = await Replica(member).GetBytesAsync();
                if (state.State.Memory is not { } most || bytes.Total > most.Total)
                    state.State.Memory = bytes;
            }
            catch (Exception error) when (error is OrleansException or TimeoutException or InvalidOperationException)
            {
                LogNoMemory(member, error.Message);
            }
        }
    }

    private IReplicaGrain Replica(string member) => GrainFactory.GetGrain<IReplicaGrain>(ReplicaKey.OfMember(member));

    private async Task CallAsync(string member, Func<IReplicaGrain, Task> call)
    {
        try
        {
            await call(Replica(member));
        }
        catch (Exception error) when (error is OrleansException or TimeoutException or InvalidOperationException or ObjectDisposedException)
        {
            await Call(() => AllReduce.FailedAsync(member, error.Message));
        }
    }

    private void Publish(RunFolder folder, IReadOnlyList<MetricPoint> points)
    {
        // What the next activation finds in the file it does not write again.
        ObjectDisposedException.ThrowIf(_left, this);
        if (points.Count == 0)
            return;
        foreach (var point in points)
            instruments.Record(Job.Run, point);
        var lines = points.Select(RunJson.Line).ToArray();
        _unwritten.AddRange(lines);
        try
        {
            WriteOut(folder);
        }
        catch (UserErrorException error)
        {
            if (_unwritten.Count == lines.Length)
                Alert($"{error.Message} Training goes on; the lines are kept.");
        }

        _lines.AddRange(lines);
        GrainFactory.GetGrain<IRunGrain>(Job.Run).AppendMetricsAsync(lines).Ignore();
        _changed.Changed();
    }

    private void WriteOut(RunFolder folder)
    {
        if (_unwritten.Count == 0)
            return;
        _metrics!.Append(_unwritten);
        _unwritten.Clear();
    }

    private CheckpointFolder CheckpointsFolder => new(Job.RunPath, Job.Stage, _recipe.Training.KeepCheckpoints, RecipeJson.Canonical(_recipe));

    private async Task WishAsync(Action<TrainingRunState> change)
    {
        change(state.State);
        if (state.State.Request is not null)
            await SaveStateAsync();
        _wish.Changed();
    }

    [LoggerMessage(LogLevel.Information, "{Job} goes on from the halt at step {Step} on another silo")]
    private partial void LogGoesOn(string job, long step);

    [LoggerMessage(LogLevel.Warning, "{Alert}")]
    private partial void LogAlert(string alert);

    [LoggerMessage(LogLevel.Warning, "The store does not answer: {Reason}")]
    private partial void LogStoreOut(string reason);

    [LoggerMessage(LogLevel.Error, "Training failed")]
    private partial void LogFailed(Exception error);

    [LoggerMessage(LogLevel.Information, "Replica {Replica} does not say what memory it takes: {Reason}")]
    private partial void LogNoMemory(string replica, string reason);

    [LoggerMessage(LogLevel.Warning, "Replica {Replica} wrote no sample: {Reason}")]
    private partial void LogNoSample(string replica, string reason);
}
