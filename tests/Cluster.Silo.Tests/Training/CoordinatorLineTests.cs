using System.Reflection;
using System.Threading.Channels;
using Cluster.Collectives.Protocol;
using Cluster.Contracts.Training;
using Cluster.Silo.Tests.Simulation;
using Cluster.Silo.Training;
using Microsoft.Extensions.Logging.Abstractions;

namespace Cluster.Silo.Tests.Training;

public class CoordinatorLineTests
{
    [Fact]
    public async Task Send_WhileOneIsOnItsWay_TheNextCollects()
    {
        var (grain, coordinator) = Coordinator.Create();
        var line = new CoordinatorLine(grain, new SteppedTime(), NullLogger.Instance);
        line.Send(Ready("a"));
        var first = await coordinator.NextAsync();
        Assert.Equal(["a"], first.Heard.Ready.Single().Members);
        foreach (var name in (string[])["b", "c", "d"])
            line.Send(Ready(name));
        line.Send(new ReplicaAction.SendPresence(new Presence("e", 1, 1)));
        Assert.False(coordinator.HasNext);
        first.Answer.SetResult();
        var second = await coordinator.NextAsync();
        Assert.Equal(["b", "c", "d"], second.Heard.Ready.Single().Members);
        Assert.Equal(["e"], second.Heard.Present.Select(p => p.Member));
        second.Answer.SetResult();
    }

    [Fact]
    public async Task Send_TheOneOnItsWayIsLost_TheNextGoesAfterASecond()
    {
        var (grain, coordinator) = Coordinator.Create();
        var time = new SteppedTime();
        var line = new CoordinatorLine(grain, time, NullLogger.Instance);
        line.Send(Ready("a"));
        var lost = await coordinator.NextAsync();
        line.Send(Ready("b"));
        Assert.False(coordinator.HasNext);
        time.Advance(1);
        line.Send(Ready("a"));
        var second = await coordinator.NextAsync();
        Assert.Equal(["b", "a"], second.Heard.Ready.Single().Members);
        second.Answer.SetResult();
        lost.Answer.SetResult();
    }

    [Fact]
    public async Task Send_TheCoordinatorMoves_TheBatchIsSaidAgain()
    {
        var (grain, coordinator) = Coordinator.Create();
        var line = new CoordinatorLine(grain, new SteppedTime(), NullLogger.Instance);
        line.Failed("a", new InvalidOperationException("out of memory"));
        var first = await coordinator.NextAsync();
        first.Answer.SetException(new OrleansException("moving"));
        var again = await coordinator.NextAsync();
        Assert.Equal(new FailedMessage("a", "out of memory"), again.Heard.Failed.Single());
        again.Answer.SetResult();
    }

    internal static ReplicaAction.SendReady Ready(string member, string hash = "g", long step = 3) =>
        new(new Ready(member, 1, 2, step, hash, [1.0, 2.0], 0.5));

    /// <summary>A coordinator that answers when a test says so.</summary>
    public class Coordinator : DispatchProxy
    {
        private readonly Channel<(HeardMessage Heard, TaskCompletionSource Answer)> _calls = Channel.CreateUnbounded<(HeardMessage, TaskCompletionSource)>();

        /// <summary>Whether a call has come that nobody took.</summary>
        public bool HasNext => _calls.Reader.Count > 0;

        public static (IAllReduceGrain Grain, Coordinator Coordinator) Create()
        {
            var grain = Create<IAllReduceGrain, Coordinator>();
            return (grain, (Coordinator)(object)grain);
        }

        public async Task<(HeardMessage Heard, TaskCompletionSource Answer)> NextAsync() => await _calls.Reader.ReadAsync().AsTask().WaitAsync(TimeSpan.FromSeconds(60));

        protected override object? Invoke(MethodInfo? targetMethod, object?[]? args)
        {
            Assert.Equal(nameof(IAllReduceGrain.HearAsync), targetMethod!.Name);
            var answer = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            Assert.True(_calls.Writer.TryWrite(((HeardMessage)args![0]!, answer)));
            return answer.Task;
        }
    }
}
