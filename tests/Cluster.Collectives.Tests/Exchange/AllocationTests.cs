using Cluster.Collectives.Exchange;
using Cluster.Collectives.Reduction;
using static Cluster.Collectives.Tests.Exchange.Reductions;

namespace Cluster.Collectives.Tests.Exchange;

/// <summary>The count is the process's: these run alone.</summary>
[CollectionDefinition("Allocations", DisableParallelization = true)]
[Collection("Allocations")]
public class AllocationTests
{
    [Theory]
    [InlineData(Transport.Unknown, 16_000)]
    [InlineData(Transport.SharedMemory, 16_000)]
    [InlineData(Transport.Tcp, 40_000)]
    public async Task ReduceAsync_Again_AllocatesNothingPerSlice(Transport transport, long bytes)
    {
        var assignment = Parse("3 5");
        var boards = Boards(2, transport == Transport.SharedMemory);
        var servers = new List<TcpExchangeServer>();
        var links = transport != Transport.Unknown ? Serve(boards, servers) : [.. boards.Select(b => (IPeerLink)new InProcessLink(b))];
        // 512 slices are taken by the two together: a hundred bytes for each would be seen.
        var slices = new SlicePlan(256 * 4_096, 4_096);
        var exchanges = boards.Select(b => new GradientExchange(b, slices)).ToArray();
        var buffers = boards.Select(b => b.CreateBuffers(slices, assignment.Lanes)).ToArray();
        var stores = Enumerable.Range(0, 2).Select(m => Store(assignment, m, slices.Length, buffers[m])).ToArray();
        var reduced = buffers.Select(b => b.Allocate()).ToArray();
        async Task Step(long step)
        {
            foreach (var board in boards)
                board.Advance(new ExchangeKey(1, 1, 1, step));
            var told = await Task.WhenAll(Enumerable.Range(0, 2).Select(m => Task.Run(() => exchanges[m].ReduceAsync(
                new ExchangeKey(1, 1, 1, step), assignment, m, links, stores[m], reduced[m], CancellationToken.None))));
            Assert.Equal(told[0], told[1]);
        }

        for (var step = 0; step < 5; step++)
            await Step(step);
        var before = GC.GetTotalAllocatedBytes(precise: true);
        const int repeats = 20;
        for (var step = 0; step < repeats; step++)
            await Step(5 + step);
        Assert.InRange((GC.GetTotalAllocatedBytes(precise: true) - before) / repeats, 0, bytes);
        foreach (var server in servers)
            await server.DisposeAsync();
    }
}
