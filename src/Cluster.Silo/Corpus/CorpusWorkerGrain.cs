// Enters: units, one at a time. Leaves: files in the corpus' folder, and whether it worked. Does not know: other units.
using Cluster.Contracts.Corpus;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Logging;
using Orleans.Placement;

namespace Cluster.Silo.Corpus;

/// <inheritdoc cref="ICorpusWorkerGrain"/>
[Immovable, SiloNamePlacement]
public sealed partial class CorpusWorkerGrain(ILogger<CorpusWorkerGrain> logger) : Grain, ICorpusWorkerGrain
{
    private readonly LongPoll _changed = new();
    private readonly CancellationTokenSource _leave = new();
    private CorpusUnit? _unit;
    private CorpusUnitState _state = new("unknown");
    private CorpusJob? _job;

    /// <inheritdoc/>
    public Task StartAsync(CorpusUnit unit)
    {
        if (_unit == unit && _state.State is "running" or "done")
            return Task.CompletedTask;
        if (_state.State == "running")
            throw new InvalidOperationException($"The worker {this.GetPrimaryKeyString()} is at work on unit {_unit!.Unit} of {_unit.Phase}.");
        (_unit, _state) = (unit, new CorpusUnitState("running"));
        RunAsync(unit, _leave.Token).Ignore();
        return Task.CompletedTask;
    }

    /// <inheritdoc/>
    public async Task<CorpusUnitState> WaitAsync(CorpusUnit unit)
    {
        if (_unit != unit)
            return new CorpusUnitState("unknown");
        await _changed.UntilAsync(() => _unit != unit || _state.State != "running");
        return _unit == unit ? _state : new CorpusUnitState("unknown");
    }

    /// <inheritdoc/>
    public override async Task OnDeactivateAsync(DeactivationReason reason, CancellationToken cancellationToken) => await _leave.CancelAsync();

    private async Task RunAsync(CorpusUnit unit, CancellationToken leave)
    {
        // Long work of the processor and the disk: not on the grain's scheduler.
        var work = Task.Run(
            () =>
            {
                _job = _job is { } open && open.Folder.Root == Path.GetFullPath(unit.Folder)
                    ? open
                    : CorpusJob.Open(
                        new CorpusFolder(unit.Folder), new CorpusResources { MemoryBytes = unit.MemoryBytes, Embeddings = new RunEmbeddings() });
                _job.Run(unit.Phase, unit.Unit, leave);
            }, leave);
        CorpusUnitState state;
        try
        {
            while (await Task.WhenAny(work, Task.Delay(TimeSpan.FromMinutes(1), leave)) != work && !leave.IsCancellationRequested)
                // A worker whose unit takes long is not idle, even if nobody asks for a while.
                DelayDeactivation(TimeSpan.FromMinutes(5));
            await work;
            state = new CorpusUnitState("done");
        }
        catch (UserErrorException error)
        {
            state = new CorpusUnitState("failed", error.What, error.Remedy);
        }
        catch (OperationCanceledException)
        {
            state = new CorpusUnitState("unknown");
        }
        catch (Exception error)
        {
            LogFailed(error, unit.Phase, unit.Unit);
            state = new CorpusUnitState("failed", $"{error.GetType().Name}: {error.Message}");
        }

        _state = state;
        _changed.Changed();
    }

    [LoggerMessage(LogLevel.Error, "Unit {Unit} of the phase {Phase} failed")]
    private partial void LogFailed(Exception error, string phase, int unit);
}
