using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// The direct all-reduce of one replica: as the owner of some slices it obtains every member's nodes of them, adds them in tree
/// order and publishes the sums; the other slices it reads from their owners. Arrival order never matters: additions begin when
/// all operands of a slice are there and follow the tree's one order.
/// Enters: a key, the assignment, the node store. Leaves: the reduced gradient. Does not know steps, commits or the model.
/// </summary>
public sealed class GradientExchange
{
    /// <summary>Slices whose parts are under way at once; reading the next overlaps adding the last.</summary>
    private const int InFlight = 3;

    private readonly ExchangeBoard _board;
    private readonly SlicePlan _slices;
    private readonly Stack<Memory<float>> _scratch = new();

    /// <param name="board">Where this replica publishes.</param>
    /// <param name="slices">The cut of the gradient.</param>
    public GradientExchange(ExchangeBoard board, SlicePlan slices)
    {
        _board = board;
        _slices = slices;
    }

    /// <summary>Reduces along the tree; every member gets the same bits.</summary>
    /// <param name="key">The reduction; the board must have advanced to it.</param>
    /// <param name="assignment">Who computed which lanes.</param>
    /// <param name="member">This replica's place.</param>
    /// <param name="links">A link per member; the own one is not used and may be null.</param>
    /// <param name="nodes">The own nodes, complete for the own lanes.</param>
    /// <param name="reduced">Receives the sum over all lanes.</param>
    /// <param name="cancellation">Ends waiting when the generation is over.</param>
    /// <exception cref="PeerLostException">A peer failed.</exception>
    public async Task ReduceAsync(
        ExchangeKey key, LaneAssignment assignment, int member, IReadOnlyList<IPeerLink?> links, NodeStore nodes, Memory<float> reduced,
        CancellationToken cancellation)
    {
        var members = assignment.Ranges.Count;
        var own = nodes.Tree.MaximalNodes(assignment[member]);
        _board.PublishNodes([.. own.Select(n => nodes[n])], _slices);
        var layout = assignment.Ranges.Select(nodes.Tree.MaximalNodes).ToArray();
        var additions = nodes.Tree.Fold([.. layout.SelectMany(n => n)]);

        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using var places = new SemaphoreSlim(InFlight);
        var work = new List<Task>(_slices.Count);
        try
        {
            // Own slices first: others wait for them.
            for (var i = 0; i < _slices.Count; i++)
            {
                var (first, count) = _slices.OwnedBy(member, members);
                var slice = (first + i) % _slices.Count;
                await places.WaitAsync(failed.Token).ConfigureAwait(false);
                work.Add(Run(i < count ? ReduceOwn(slice) : ReadReduced(slice)));
            }
        }
        catch (OperationCanceledException) when (failed.IsCancellationRequested)
        {
            // The cause is among the tasks that have been started.
        }

        await Task.WhenAll(work).ConfigureAwait(false);
        cancellation.ThrowIfCancellationRequested();

        async Task Run(Task slice)
        {
            try
            {
                await slice.ConfigureAwait(false);
            }
            catch
            {
                await failed.CancelAsync().ConfigureAwait(false);
                throw;
            }
            finally
            {
                places.Release();
            }
        }

        async Task ReadReduced(int slice)
        {
            var (start, length) = _slices[slice];
            var owner = _slices.Owner(slice, members);
            await Read(owner, PartKind.Reduced, slice, reduced.Slice(start, length)).ConfigureAwait(false);
        }

        async Task ReduceOwn(int slice)
        {
            var (start, length) = _slices[slice];
            var total = layout.Sum(n => n.Count);
            var buffer = Rent(total * _slices.SliceLength);
            try
            {
                var reads = new List<Task>(members);
                var place = 0;
                for (var m = 0; m < members; m++)
                {
                    var part = buffer.Slice(place * length, layout[m].Count * length);
                    place += layout[m].Count;
                    if (m == member)
                    {
                        for (var n = 0; n < own.Count; n++)
                            nodes[own[n]].Span.Slice(start, length).CopyTo(part.Span[(n * length)..]);
                    }
                    else if (part.Length > 0)
                    {
                        reads.Add(Read(m, PartKind.Nodes, slice, part));
                    }
                }

                await Task.WhenAll(reads).ConfigureAwait(false);
                foreach (var addition in additions)
                {
                    var left = buffer.Span.Slice(addition.Left * length, length);
                    ElementwiseSum.Add(left, buffer.Span.Slice(addition.Right * length, length), left);
                }

                buffer.Span[..length].CopyTo(reduced.Span[start..]);
                _board.PublishReduced(slice, reduced, _slices);
            }
            finally
            {
                lock (_scratch)
                    _scratch.Push(buffer);
            }
        }

        async Task Read(int peer, PartKind kind, int slice, Memory<float> destination)
        {
            try
            {
                await links[peer]!.ReadAsync(key, kind, slice, destination, failed.Token).ConfigureAwait(false);
            }
            catch (Exception error) when (error is IOException or StaleKeyException)
            {
                // Giving up closes connections: what fails after that says nothing about the peer.
                failed.Token.ThrowIfCancellationRequested();
                throw new PeerLostException(peer, error);
            }
        }
    }

    private Memory<float> Rent(int length)
    {
        lock (_scratch)
        {
            // A change of membership may need larger ones; those too small are dropped.
            while (_scratch.TryPop(out var buffer))
            {
                if (buffer.Length >= length)
                    return buffer;
            }
        }

        return PinnedBuffer.Allocate(length);
    }
}
