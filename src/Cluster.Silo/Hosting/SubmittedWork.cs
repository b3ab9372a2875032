// What a grain does beside its turns on somebody's order: begun once, taken over after the death of its silo, ended early on request.
// Enters: the order, as the grain's stored state. Leaves: how it ended. Does not know: what is done.
using Cluster.Core.Errors;
using Microsoft.Extensions.Logging;

namespace Cluster.Silo.Hosting;

/// <summary>What has to be known on another silo of an order and its end.</summary>
public interface ISubmittedWorkState
{
    /// <summary>Whether there is an order.</summary>
    bool Submitted { get; }

    /// <summary>How it ended: done, cancelled or failed; null while it goes on.</summary>
    string? Ended { get; set; }

    /// <summary>Why it failed.</summary>
    string? Reason { get; set; }

    /// <summary>Whether it is to end early. Stored before anything is told of it: whoever takes over must not go on.</summary>
    bool Cancelled { get; set; }
}

/// <summary>Brings the grain back after the death of its silo, while nobody calls it.</summary>
internal interface IWorkReminder
{
    /// <summary>From now on.</summary>
    Task SetAsync();

    /// <summary>No more.</summary>
    Task ClearAsync();
}

/// <summary>The reminder of a grain.</summary>
/// <param name="grain">An <see cref="IRemindable"/>.</param>
internal sealed class WorkReminder(IGrainBase grain) : IWorkReminder
{
    private const string Name = "wake";
    private static readonly TimeSpan s_period = TimeSpan.FromMinutes(1);

    /// <inheritdoc/>
    public Task SetAsync() => grain.RegisterOrUpdateReminder(Name, s_period, s_period);

    /// <inheritdoc/>
    public async Task ClearAsync()
    {
        if (await grain.GetReminder(Name) is { } reminder)
            await grain.UnregisterReminder(reminder);
    }
}

/// <summary>The life of such work within one activation. All of it is called within the grain's turns.</summary>
/// <param name="state">The grain's.</param>
/// <param name="reminder">The grain's.</param>
/// <param name="start">
/// Begins the work off the grain's turns, told when to end early (the work is cancelled) and when to leave it to another activation.
/// </param>
/// <param name="changed">Told when the work has ended.</param>
/// <param name="logger">The grain's.</param>
internal sealed partial class SubmittedWork<TState>(
    IPersistentState<TState> state, IWorkReminder reminder, Func<CancellationToken, CancellationToken, Task> start, Action changed, ILogger logger)
    where TState : ISubmittedWorkState
{
    private CancellationTokenSource _cancel = new(), _leave = new();

    /// <summary>Whether there is something to do.</summary>
    public bool Works => state.State is { Submitted: true, Ended: null };

    /// <summary>running, done, cancelled, failed; "none" where nothing was submitted.</summary>
    public string State => state.State.Submitted ? state.State.Ended ?? "running" : "none";

    /// <summary>Ends when the work has, and its end is noted. Never fails.</summary>
    public Task Finished { get; private set; } = Task.CompletedTask;

    /// <summary>Goes on with what an earlier activation began, if it is not done.</summary>
    /// <param name="name">The grain's key, for the log.</param>
    public void Activate(string name)
    {
        if (!Works)
            return;
        LogGoesOn(name);
        Begin();
    }

    /// <summary>Leaves the work to the next activation.</summary>
    public Task LeaveAsync() => _leave.CancelAsync();

    /// <summary>Begins, unless something is under way.</summary>
    /// <param name="order">The state of a fresh order.</param>
    public async Task SubmitAsync(TState order)
    {
        if (Works)
            return;
        state.State = order;
        await state.WriteStateAsync();
        // While nobody watches, only a reminder brings the grain of a dead silo back.
        await reminder.SetAsync();
        Begin();
    }

    /// <summary>Has the work end early, whichever activation does it. False where nothing is under way.</summary>
    public async Task<bool> CancelAsync()
    {
        if (!Works)
            return false;
        state.State.Cancelled = true;
        await state.WriteStateAsync();
        await _cancel.CancelAsync();
        return true;
    }

    private void Begin()
    {
        (_cancel, _leave) = (new CancellationTokenSource(), new CancellationTokenSource());
        if (state.State.Cancelled)
            _cancel.Cancel();
        Finished = FinishAsync(start(_cancel.Token, _leave.Token), _leave.Token);
    }

    private async Task FinishAsync(Task work, CancellationToken leave)
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
        changed();
        try
        {
            await state.WriteStateAsync();
            await reminder.ClearAsync();
        }
        catch (Exception error)
        {
            // Whoever watches is told from memory; a store that has lost the order brings nobody back for it.
            LogNotNoted(error);
        }
    }

    [LoggerMessage(LogLevel.Information, "{Name} goes on from its folder on another silo")]
    private partial void LogGoesOn(string name);

    [LoggerMessage(LogLevel.Warning, "The end could not be noted")]
    private partial void LogNotNoted(Exception error);

    [LoggerMessage(LogLevel.Error, "The work failed")]
    private partial void LogFailed(Exception error);
}
