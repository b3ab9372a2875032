// A stage's driver. Enters: a job; results of steps and validations. Leaves: halts, validations, checkpoints, metrics, an end.
// The order of things at a halt: validate, save, perhaps end, go on. Does not know: gradients, lanes' tokens, files' formats.
using System.Diagnostics;
using Cluster.Contracts.Checkpoints;
using Cluster.Contracts.Runs;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Core.Errors;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Microsoft.Extensions.Logging;
using Orleans.Placement;

namespace Cluster.Silo.Training;

/// <inheritdoc cref="ITrainingRunGrain"/>
[KeepAlive, PreferLocalPlacement]
public sealed partial class TrainingRunGrain(TrainingInstruments instruments, ILogger<TrainingRunGrain> logger) : Grain, ITrainingRunGrain
{
    private static readonly TimeSpan s_longPoll = TimeSpan.FromSeconds(20);
    private readonly List<string> _lines = [];
    private readonly Throughput _throughput = new();
    private TaskCompletionSource _changed = NewSignal(), _wish = NewSignal(), _evaluated = NewSignal();
    private TrainingRunRequest? _request;
    private Recipe _recipe = new();
    private EarlyStop _early = new(0, null, 0);
    private Validation? _validation;
    private CheckpointInfo? _checkpoint;
    private CoordinatorProgress _progress = new(0, [], 0, [], 0, false, null);
    private string _state = "failed";
    private string? _reason = "It has not begun.";
    private double? _validationLoss;
    private bool _paused, _cancelled;
    private long _startedAt, _tokens;

    private TrainingJob Job => _request!.Job;

    private IAllReduceGrain AllReduce => GrainFactory.GetGrain<IAllReduceGrain>(Job.Key);

    private ICheckpointGrain Checkpoints => GrainFactory.GetGrain<ICheckpointGrain>(Job.Key);

    private IScheduleGrain Schedule => GrainFactory.GetGrain<IScheduleGrain>(Job.Key);

    private IShardGrain Shards => GrainFactory.GetGrain<IShardGrain>(Job.Key);

    private double Seconds => _request!.Seconds + Stopwatch.GetElapsedTime(_startedAt).TotalSeconds;

    /// <inheritdoc/>
    public Task StartAsync(TrainingRunRequest request)
    {
        if (_state is "running" or "paused")
            throw new InvalidOperationException($"{this.GetPrimaryKeyString()} is running already.");
        _request = request;
        _recipe = RecipeJson.Parse(request.Job.RecipeJson, "The job's recipe");
        _early = new EarlyStop(_recipe.Training.Patience, request.BestValidationLoss, request.ValidationsWithoutImprovement);
        (_state, _reason, _checkpoint, _validationLoss, _paused, _cancelled) = ("running", null, null, null, false, false);
        _progress = new CoordinatorProgress(request.Job.FirstStep, [], 0, [], 0, false, null);
        _startedAt = Stopwatch.GetTimestamp();
        _throughput.Restart();
        _lines.Clear();
        RunAsync().Ignore();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public Task PauseAsync()
    {
        _paused = true;
        return WishAsync();
    }

    /// <inheritdoc/>
    public Task ResumeAsync()
    {
        _paused = false;
        return WishAsync();
    }

    /// <inheritdoc/>
    public Task CancelAsync()
    {
        _cancelled = true;
        return WishAsync();
    }

    /// <inheritdoc/>
    public Task EvaluatedAsync(EvaluationResult result)
    {
        _validation?.Receive(result);
        if (_validation is { Complete: true })
            Signal(ref _evaluated);
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<TrainingStatus> WaitAsync(long after)
    {
        using var limit = new CancellationTokenSource(s_longPoll);
        while (_lines.Count <= after && _state is "running" or "paused" && !limit.IsCancellationRequested)
            await Wait(_changed, limit.Token);
        return new TrainingStatus(
            _state, _reason, _progress.Steps, _request is null ? 0 : Seconds, [.. _lines.Skip((int)Math.Min(after, _lines.Count))], _lines.Count,
            _checkpoint, _validationLoss, _progress.Replicas.Count, _progress.LostLanes);
    }

    /// <inheritdoc/>
    public async Task<SampleReply?> SampleAsync(SampleRequest request)
    {
        foreach (var key in _progress.Replicas)
        {
            try
            {
                return await GrainFactory.GetGrain<IReplicaGrain>(key).SampleAsync(request);
            }
            catch (Exception error) when (error is OrleansException or TimeoutException or InvalidOperationException or ObjectDisposedException)
            {
                LogNoSample(key, error.Message);
            }
        }

        return null;
    }

    private async Task RunAsync()
    {
        try
        {
            (_state, _reason) = await TrainAsync();
        }
        catch (Exception error)
        {
            if (error is not UserErrorException)
                LogFailed(error);
            (_state, _reason) = ("failed", error.Message);
        }

        foreach (var key in Job.Replicas)
            GrainFactory.GetGrain<IReplicaGrain>(key).StopAsync().Ignore();
        Shards.CloseAsync().Ignore();
        Signal(ref _changed);
    }

    /// <summary>From halt to halt; the state and the reason that it ends with.</summary>
    private async Task<(string State, string? Reason)> TrainAsync()
    {
        var folder = new RunFolder(Job.RunPath);
        // What an earlier process trained is history: for those who look at the run, not news for those who wait for steps.
        GrainFactory.GetGrain<IRunGrain>(Job.Run).AppendMetricsAsync(MetricsFile.Rewind(folder, Job.Stage, Job.FirstStep)).Ignore();
        _tokens = StageSchedule.Of(_recipe, Job.Stage).TokensUntil(Job.FirstStep);
        await Schedule.OpenAsync(Job);
        await Shards.OpenAsync(Job);
        await Checkpoints.OpenAsync(CheckpointsFolder);
        var halt = await Schedule.GetHaltAsync(Job.FirstStep, Job.LastStep);
        await AllReduce.StartAsync(Job with { LastStep = halt.Steps });
        while (true)
        {
            if (await ToHaltAsync(folder) is { } stopped)
                return ("failed", stopped);
            var steps = _progress.Steps;
            if (steps == Job.FirstStep && steps < halt.Steps && _cancelled)
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
            if ((planned && halt.Save) || ends || _cancelled)
                await SaveAsync(steps, mustSucceed: ends || _cancelled);
            if (ends)
                return ("finished", last ? null : $"Validation has not got better for {_early.Without} validations.");
            if (_cancelled)
                return ("cancelled", null);
            if (_paused)
            {
                _state = "paused";
                Signal(ref _changed);
                while (_paused && !_cancelled)
                    await Wait(_wish, CancellationToken.None);
                _state = "running";
                _throughput.Restart();
                if (_cancelled)
                {
                    await SaveAsync(steps, mustSucceed: true);
                    return ("cancelled", null);
                }
            }

            halt = await Schedule.GetHaltAsync(steps, Job.LastStep);
            await AllReduce.ContinueAsync(halt.Steps);
        }
    }

    /// <summary>Records steps until the coordinator rests; the reason if it cannot go on.</summary>
    private async Task<string?> ToHaltAsync(RunFolder folder)
    {
        while (true)
        {
            var waiting = AllReduce.WaitForProgressAsync(_progress.Steps);
            while (!waiting.IsCompleted)
            {
                if (_paused || _cancelled)
                {
                    await AllReduce.HaltAsync();
                    await waiting;
                }
                else
                {
                    await Task.WhenAny(waiting, _wish.Task);
                }
            }

            _progress = await waiting;
            await RecordAsync(folder);
            if (_progress.Stopped is not null || _progress.Finished)
                return _progress.Stopped;
        }
    }

    private async Task RecordAsync(RunFolder folder)
    {
        var points = new List<MetricPoint>();
        foreach (var result in _progress.Results)
        {
            var step = await Schedule.GetStepAsync(result.Steps - 1);
            var tokens = await Shards.GetTokensAsync(result.Steps - 1);
            _tokens = step.TokensBefore + step.Tokens;
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
                Mfu = rate > 0 && _request!.PeakFlops > 0 ? rate * ModelFlops.TrainingPerToken(_recipe.Model, step.Context) / _request.PeakFlops : null,
            });
        }

        Publish(folder, points);
    }

    private async Task ValidateAsync(RunFolder folder, long steps)
    {
        var validation = _validation = new Validation(steps, _recipe.Training.Lanes);
        _evaluated = NewSignal();
        while (!validation.Complete)
        {
            foreach (var (replica, firstLane, lanes) in validation.Ask(_progress.Replicas))
                await CallAsync(replica, r => r.EvaluateAsync(steps, firstLane, lanes));
            using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(2));
            await Wait(_evaluated, patience.Token);
            if (validation.Complete)
                break;
            // Long, or lost? A silo that does not answer is lost, and its lanes are asked of the others.
            foreach (var replica in _progress.Replicas)
                await CallAsync(replica, r => r.PingAsync());
            _progress = await AllReduce.GetProgressAsync(steps);
            if (_progress.Stopped is not null || _progress.Replicas.Count == 0)
                throw new InvalidOperationException(_progress.Stopped ?? "Every replica is lost.");
        }

        _validation = null;
        _validationLoss = validation.Mean;
        _throughput.Restart();
        Publish(folder, [new MetricPoint { Stage = Job.Stage, Step = steps, Seconds = Math.Round(Seconds, 3), Tokens = _tokens, ValidationLoss = _validationLoss }]);
    }

    /// <summary>Starts saving, once the last checkpoint is on disk; with <paramref name="mustSucceed"/> waits and insists.</summary>
    private async Task SaveAsync(long steps, bool mustSucceed)
    {
        await SavedAsync();
        if (_checkpoint?.Steps != steps)
        {
            var request = new CheckpointRequest(CheckpointsFolder, steps, _tokens, Seconds, _early.Best, _early.Without);
            await Checkpoints.SaveAsync(_progress.Replicas[0], request);
        }

        if (mustSucceed && await SavedAsync() is { } error)
            throw new UserErrorException($"The checkpoint of step {steps} is not written: {error}", "Mend that and run the same command again; it goes on from the last one.");
    }

    /// <summary>Waits until nothing is being written; why the last was not, or null.</summary>
    private async Task<string?> SavedAsync()
    {
        CheckpointOutcome outcome;
        do
            outcome = await Checkpoints.WaitAsync();
        while (outcome.Pending);
        _checkpoint = outcome.Last;
        return outcome.Error;
    }

    private async Task CallAsync(string replica, Func<IReplicaGrain, Task> call)
    {
        try
        {
            await call(GrainFactory.GetGrain<IReplicaGrain>(replica));
        }
        catch (Exception error) when (error is OrleansException or TimeoutException or InvalidOperationException or ObjectDisposedException)
        {
            await AllReduce.FailedAsync(replica, error.Message);
        }
    }

    private void Publish(RunFolder folder, IReadOnlyList<MetricPoint> points)
    {
        if (points.Count == 0)
            return;
        foreach (var point in points)
            instruments.Record(Job.Run, point);
        var lines = points.Select(RunJson.Line).ToArray();
        MetricsFile.Append(folder, lines);
        _lines.AddRange(lines);
        GrainFactory.GetGrain<IRunGrain>(Job.Run).AppendMetricsAsync(lines).Ignore();
        Signal(ref _changed);
    }

    private CheckpointFolder CheckpointsFolder => new(Job.RunPath, Job.Stage, _recipe.Training.KeepCheckpoints, RecipeJson.Hash(_recipe));

    private Task WishAsync()
    {
        Signal(ref _wish);
        return Task.CompletedTask;
    }

    private static TaskCompletionSource NewSignal() => new(TaskCreationOptions.RunContinuationsAsynchronously);

    private static void Signal(ref TaskCompletionSource signal)
    {
        var old = signal;
        signal = NewSignal();
        old.TrySetResult();
    }

    private static async Task Wait(TaskCompletionSource signal, CancellationToken limit) =>
        await signal.Task.WaitAsync(limit).ConfigureAwait(ConfigureAwaitOptions.ContinueOnCapturedContext | ConfigureAwaitOptions.SuppressThrowing);

    [LoggerMessage(LogLevel.Error, "Training failed")]
    private partial void LogFailed(Exception error);

    [LoggerMessage(LogLevel.Warning, "Replica {Replica} wrote no sample: {Reason}")]
    private partial void LogNoSample(string replica, string reason);
}
