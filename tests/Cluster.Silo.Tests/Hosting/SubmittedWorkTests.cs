using Cluster.Core.Errors;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Logging.Abstractions;
using Orleans.Runtime;

namespace Cluster.Silo.Tests.Hosting;

/// <summary>What two activations of a grain make of one order, the store and the work in the test's hands.</summary>
public sealed class SubmittedWorkTests
{
    private readonly Store _store = new();
    private readonly Reminder _reminder = new();

    [Fact]
    public async Task Cancel_ActivationDiesBeforeTheEnd_TheNextOneDoesNotGoOn()
    {
        var first = new Activation(_store, _reminder);
        await first.Work.SubmitAsync(new Order { Name = "a" });
        Assert.True(await first.Work.CancelAsync());
        Assert.True(first.Cancel.IsCancellationRequested);
        // Its silo dies here: the work never comes to say that it has ended.

        var second = new Activation(_store, _reminder);
        second.Work.Activate("a");
        Assert.True(second.Cancel.IsCancellationRequested);
        Assert.False(second.Leave.IsCancellationRequested);
        second.Ends.SetCanceled(second.Cancel);
        await second.Work.Finished;
        Assert.Equal(("cancelled", "cancelled", false), (second.Work.State, _store.Stored!.Ended, _reminder.IsSet));

        // Submitted again it goes on.
        await second.Work.SubmitAsync(new Order { Name = "a" });
        Assert.False(second.Cancel.IsCancellationRequested);
        Assert.Equal(("running", true), (second.Work.State, _reminder.IsSet));
    }

    [Fact]
    public async Task Activate_NobodyCancelled_GoesOn()
    {
        await new Activation(_store, _reminder).Work.SubmitAsync(new Order { Name = "a" });
        var second = new Activation(_store, _reminder);
        second.Work.Activate("a");
        Assert.False(second.Cancel.IsCancellationRequested);
        second.Ends.SetResult();
        await second.Work.Finished;
        Assert.Equal(("done", "done", false), (second.Work.State, _store.Stored!.Ended, _reminder.IsSet));
        Assert.False(await second.Work.CancelAsync());

        var third = new Activation(_store, _reminder);
        third.Work.Activate("a");
        Assert.Equal(0, third.Starts);
    }

    [Fact]
    public async Task Leave_WhileItWorks_NothingIsNoted()
    {
        var first = new Activation(_store, _reminder);
        await first.Work.SubmitAsync(new Order { Name = "a" });
        await first.Work.SubmitAsync(new Order { Name = "b" });
        Assert.Equal((1, "a"), (first.Starts, _store.Stored!.Name));
        await first.Work.LeaveAsync();
        first.Ends.SetCanceled(first.Leave);
        await first.Work.Finished;
        Assert.Null(_store.Stored.Ended);
        Assert.True(_reminder.IsSet);
    }

    [Fact]
    public async Task Failure_IsNotedWithItsReason()
    {
        var first = new Activation(_store, _reminder);
        Assert.Equal("none", first.Work.State);
        Assert.False(await first.Work.CancelAsync());
        await first.Work.SubmitAsync(new Order { Name = "a" });
        first.Ends.SetException(new UserErrorException("It is so.", "Do that."));
        await first.Work.Finished;
        Assert.Equal("failed", first.Work.State);
        Assert.Contains("It is so.", _store.Stored!.Reason, StringComparison.Ordinal);
    }

    private sealed record Order : ISubmittedWorkState
    {
        public string? Name { get; init; }

        public bool Submitted => Name is not null;

        public string? Ended { get; set; }

        public string? Reason { get; set; }

        public bool Cancelled { get; set; }
    }

    /// <summary>What outlives an activation.</summary>
    private sealed class Store
    {
        public Order? Stored { get; set; }
    }

    private sealed class Stored(Store store) : IPersistentState<Order>
    {
        public Order State { get; set; } = store.Stored is { } stored ? stored with { } : new Order();

        public string Etag => "";

        public bool RecordExists => store.Stored is not null;

        public Task ReadStateAsync() => throw new NotSupportedException();

        public Task ClearStateAsync() => throw new NotSupportedException();

        public Task WriteStateAsync()
        {
            store.Stored = State with { };
            return Task.CompletedTask;
        }
    }

    private sealed class Reminder : IWorkReminder
    {
        public bool IsSet { get; private set; }

        public Task SetAsync() => Task.FromResult(IsSet = true);

        public Task ClearAsync() => Task.FromResult(IsSet = false);
    }

    private sealed class Activation
    {
        public Activation(Store store, IWorkReminder reminder) => Work = new SubmittedWork<Order>(
            new Stored(store), reminder, (cancel, leave) =>
            {
                Starts++;
                (Cancel, Leave, Ends) = (cancel, leave, new TaskCompletionSource());
                return Ends.Task;
            }, () => { }, NullLogger.Instance);

        public SubmittedWork<Order> Work { get; }

        public CancellationToken Cancel { get; private set; }

        public CancellationToken Leave { get; private set; }

        public int Starts { get; private set; }

        /// <summary>Ends the work.</summary>
        public TaskCompletionSource Ends { get; private set; } = new();
    }
}
