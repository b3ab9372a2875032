using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Cluster.Collectives.Reduction;
using Cluster.Core.Faults;
using Cluster.Core.Models;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// The direct all-reduce of one replica: as the owner of some slices it adds up every member's nodes of them in tree order and
/// publishes the sums; the other slices it copies from their owners. Operands are read where they lie, block by block, and every
/// block is added, hashed and squared in one go. Arrival order never matters: additions begin when all operands of a slice are
/// there and follow the tree's one order.
/// Enters: a key, the assignment, the node store. Leaves: the reduced gradient, its hash and norm. Does not know steps, commits or
/// the model. One reduction at a time.
/// </summary>
public sealed class GradientExchange
{
    /// <summary>Slices whose parts are under way at once: over a socket the next arrive while one is added up.</summary>
    private const int Ahead = 4;

    /// <summary>Slices that are asked for together, so that one wake-up of the peer serves several.</summary>
    private const int Batch = 2;

    private readonly ExchangeBoard _board;
    private readonly SlicePlan _slices;
    private readonly Slot[] _slots = new Slot[Ahead];
    private readonly byte[] _updated;
    private readonly Action<StepPhase>? _reached;
    private SliceSums? _sums;
    private Division? _division;
    private float[]? _scratch;

    /// <param name="board">Where this replica publishes.</param>
    /// <param name="slices">The cut of the gradient, of its words as the node store keeps them.</param>
    /// <param name="reached">Told when half of the own slices are added up, and when half of the others are there.</param>
    public GradientExchange(ExchangeBoard board, SlicePlan slices, Action<StepPhase>? reached = null)
    {
        _board = board;
        _reached = reached;
        _slices = slices;
        _updated = new byte[slices.Count * GradientHash.Size];
    }

    /// <summary>Bytes that the last reduction read of a member; 0 of this replica itself.</summary>
    /// <param name="member">Its place.</param>
    public long BytesFrom(int member) => _division?.BytesFrom[member] ?? 0;

    /// <summary>Reduces along the tree; every member gets the same bits.</summary>
    /// <param name="key">The reduction; the board must have advanced to it.</param>
    /// <param name="assignment">Who computed which lanes.</param>
    /// <param name="member">This replica's place.</param>
    /// <param name="links">A link per member; the own one is not used and may be null.</param>
    /// <param name="nodes">The own nodes, complete for the own lanes.</param>
    /// <param name="reduced">Receives the sum over all lanes, in the nodes' format. When this ends, however it ends, nothing writes to it any more.</param>
    /// <param name="cancellation">Ends waiting when the generation is over.</param>
    /// <exception cref="PeerLostException">A peer failed, or has gone past the key while its part was used.</exception>
    public Task<ReducedGradient> ReduceAsync(
        ExchangeKey key, LaneAssignment assignment, int member, IReadOnlyList<IPeerLink?> links, NodeStore nodes, Memory<float> reduced,
        CancellationToken cancellation) => ReduceAsync(key, assignment, member, links, nodes, reduced, null, cancellation);

    /// <summary>
    /// The same where the optimizer may be sharded. Then a member gets the sums of the slices whose moments it holds, the hashes and squares
    /// of all others' sums from their owners, by which it has the whole gradient's hash and norm, and in the place of the other slices'
    /// sums their parameters after the step. As many bytes travel, for a slice's parameters are as long as its gradient. A second hash
    /// names the parameters, as owners and buddies have computed them and others have received them.
    /// </summary>
    /// <param name="key">As above.</param>
    /// <param name="assignment">As above.</param>
    /// <param name="member">As above.</param>
    /// <param name="links">As above.</param>
    /// <param name="nodes">As above.</param>
    /// <param name="reduced">Receives sums where the moments are held, parameters elsewhere.</param>
    /// <param name="update">How the parameters after the step come about; null where every member holds everything.</param>
    /// <param name="cancellation">As above.</param>
    /// <exception cref="PeerLostException">As above.</exception>
    public async Task<ReducedGradient> ReduceAsync(
        ExchangeKey key, LaneAssignment assignment, int member, IReadOnlyList<IPeerLink?> links, NodeStore nodes, Memory<float> reduced,
        ShardedUpdate? update, CancellationToken cancellation)
    {
        if (nodes.Words != _slices.Length)
            throw new ArgumentException($"Nodes of {nodes.Words} words were given where {_slices.Length} are cut into slices.", nameof(nodes));
        if (update is not null && nodes.Precision != ReductionPrecision.Fp32)
            throw new ArgumentException("Parameters in fp32 have no room where sums are in bf16.", nameof(update));
        _sums ??= new SliceSums(_slices, nodes.Precision);
        if (_division is null || !_division.IsFor(assignment, member, update?.Plan))
        {
            _division = new Division(nodes, assignment, member, _slices, update?.Plan);
            foreach (ref var slot in _slots.AsSpan())
                slot = new Slot(_division, _slices.SliceLength);
        }

        var division = _division;
        var own = new ReadOnlyMemory<float>[division.OwnNodes.Count];
        for (var i = 0; i < own.Length; i++)
            own[i] = nodes[division.OwnNodes[i]];
        _board.PublishNodes(own, _slices);
        if (update is null)
        {
            await TakeAsync(0, _slices.Count).ConfigureAwait(false);
            return _sums.Total();
        }

        await TakeAsync(0, division.Owned).ConfigureAwait(false);
        PublishSums(member, division.Members);
        await TakeAsync(division.Owned, division.Held).ConfigureAwait(false);
        await TakeSumsAsync(key, member, division.Members, links, cancellation).ConfigureAwait(false);
        var total = _sums.Total();
        for (var i = 0; i < division.Held; i++)
            Update(division.SliceAt(i), i < division.Owned, update, reduced, total.Norm);
        // Nobody asks for parameters before it has everybody's sums: answers come in order, and would wait for each other.
        await TakeAsync(division.Held, _slices.Count).ConfigureAwait(false);
        return total with { ParametersHash = GradientHash.OfSlices(_updated) };

        Task TakeAsync(int from, int to) => from == to ? Task.CompletedTask : PassAsync(from, to, key, links, own, reduced, cancellation);
    }

    /// <summary>Takes the slices of a part of the order of work.</summary>
    private async Task PassAsync(
        int from, int to, ExchangeKey key, IReadOnlyList<IPeerLink?> links, ReadOnlyMemory<float>[] own, Memory<float> reduced, CancellationToken cancellation)
    {
        var division = _division!;
        using var failed = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        int begun = from, ended = from;
        try
        {
            for (; ended < to; ended++)
            {
                var asked = begun - ended <= Ahead - Batch ? Math.Min(ended + Ahead, to) : begun;
                for (; begun < asked; begun++)
                    _slots[begun % Ahead].Begin(_slices, begun, key, links, reduced, failed.Token);
                var slot = _slots[ended % Ahead];
                await slot.ReadAsync(key, links, failed.Token, cancellation).ConfigureAwait(false);
                var slice = division.SliceAt(ended);
                if (_reached is not null)
                    Tell(ended, division.Owned, _reached);
                if (ended >= division.Held)
                {
                    TakeUpdated(slot, slice, reduced);
                    slot.Verify(key, links);
                }
                else if (ended >= division.Owned)
                {
                    TakeReduced(slot, slice, reduced);
                    slot.Verify(key, links);
                }
                else
                {
                    slot.SetOwn(own, _slices[slice].Start);
                    var hash = _sums!.Add(slice, division.Fold, slot.Operands, reduced.Span);
                    slot.Verify(key, links);
                    _board.PublishReduced(slice, hash, reduced, _slices);
                }
            }
        }
        catch
        {
            // Reads that are under way may still write: they are waited for before the caller gets its memory back.
            await failed.CancelAsync().ConfigureAwait(false);
            for (; ended < begun; ended++)
                await _slots[ended % Ahead].AbandonAsync().ConfigureAwait(false);
            throw;
        }
        finally
        {
            foreach (var slot in _slots)
                slot.Forget();
        }
    }

    private void PublishSums(int member, int members)
    {
        var (first, count) = _slices.OwnedBy(member, members);
        var notes = new float[_sums!.NotesLength(first, count)];
        _sums.WriteNotes(first, count, notes);
        _board.PublishNotes(PartKind.Sums, notes, _slices);
    }

    /// <summary>
    /// Takes the owners' word for what their slices sum up to. (Of the slices that came here whole this replica has found it itself: were the
    /// owner's word another, the two would tell the coordinator of two gradients.)
    /// </summary>
    private async Task TakeSumsAsync(ExchangeKey key, int member, int members, IReadOnlyList<IPeerLink?> links, CancellationToken cancellation)
    {
        var held = _division!.Plan!.BuddyOf(member);
        for (var place = 1; place < members; place++)
        {
            var owner = (member + place) % members;
            var (first, count) = _slices.OwnedBy(owner, members);
            if (count == 0 || owner == held)
                continue;
            var room = new float[_sums!.NotesLength(first, count)];
            try
            {
                var part = await links[owner]!.ReadAsync(key, PartKind.Sums, 0, 1, room, cancellation).ConfigureAwait(false);
                if (part.Length != room.Length)
                    throw new InvalidDataException($"The peer tells of its sums in {part.Length} floats; {room.Length} belong.");
                _sums.TakeNotes(first, count, part[0].Span);
            }
            catch (Exception error) when (error is IOException or InvalidDataException or StaleKeyException)
            {
                cancellation.ThrowIfCancellationRequested();
                throw new PeerLostException(owner, error);
            }
        }
    }

    /// <summary>Computes a held slice's parameters: the owner's are shown, the buddy's are only compared.</summary>
    private void Update(int slice, bool isOwn, ShardedUpdate update, Memory<float> reduced, double norm)
    {
        var (start, length) = _slices[slice];
        var target = isOwn ? update.Updated.Span.Slice(start, length) : (_scratch ??= new float[_slices.SliceLength]).AsSpan(0, length);
        update.Compute(slice, reduced.Span.Slice(start, length), norm, target);
        var hash = GradientHash.OfSlice(target);
        Note(slice, hash);
        if (isOwn)
            _board.PublishUpdated(slice, hash, update.Updated, _slices);
    }

    private void TakeUpdated(Slot slot, int slice, Memory<float> reduced)
    {
        var (start, length) = _slices[slice];
        var source = slot.Operands[0].Span;
        var target = reduced.Span.Slice(start, length);
        if (source.Overlaps(target))
        {
            Note(slice, slot.Hash ?? GradientHash.OfSlice(source));
            return;
        }

        source.CopyTo(target);
        Note(slice, GradientHash.OfSlice(target));
    }

    private void Note(int slice, UInt128 hash) => BinaryPrimitives.WriteUInt128BigEndian(_updated.AsSpan(slice * GradientHash.Size), hash);

    private void Tell(int index, int owned, Action<StepPhase> reached)
    {
        if (index == owned / 2 && owned > 0)
            reached(StepPhase.Reduce);
        if (index == owned + (_slices.Count - owned) / 2)
            reached(StepPhase.Gather);
    }

    private void TakeReduced(Slot slot, int slice, Memory<float> reduced)
    {
        var source = slot.Operands[0];
        var (start, length) = _slices[slice];
        if (source.Span.Overlaps(reduced.Span.Slice(start, length)))
            _sums!.Take(slice, reduced.Span, slot.Hash ?? GradientHash.OfSlice(source.Span));
        else
            _sums!.Copy(slice, source.Span, reduced.Span);
    }

    /// <summary>What follows from an assignment; the same in every step of a generation.</summary>
    private sealed class Division
    {
        private readonly LaneAssignment _assignment;
        private readonly int _member;
        private readonly int[] _order;

        public Division(NodeStore nodes, LaneAssignment assignment, int member, SlicePlan slices, ShardPlan? plan)
        {
            (_assignment, _member, Plan) = (assignment, member, plan);
            var layout = assignment.Ranges.Select(nodes.Tree.MaximalNodes).ToArray();
            OwnNodes = layout[member];
            Counts = [.. layout.Select(n => n.Count)];
            Places = [.. Enumerable.Range(0, layout.Length).Select(m => Counts.Take(m).Sum())];
            Operands = Counts.Sum();
            Fold = new BlockFold(Operands, nodes.Tree.Fold([.. layout.SelectMany(n => n)]), nodes.Precision);
            (var first, Owned) = slices.OwnedBy(member, Members);
            // Its own slices first, because others wait for them; then on from there, so that not all ask one owner.
            var order = Enumerable.Range(0, slices.Count).Select(i => (first + i) % slices.Count);
            _order = [.. plan is null ? order : order.Where(slice => plan.Holds(member, slice)).Concat(order.Where(slice => !plan.Holds(member, slice)))];
            Held = plan is null ? slices.Count : order.Count(slice => plan.Holds(member, slice));
            var own = Floats(member, slices);
            BytesFrom = [.. Counts.Select((count, m) => m == member ? 0 : sizeof(float) * (own * count + Floats(m, slices)))];
        }

        public int Members => Counts.Length;

        public int Member => _member;

        public IReadOnlyList<LaneRange> OwnNodes { get; }

        /// <summary>Nodes of each member.</summary>
        public int[] Counts { get; }

        /// <summary>Place of each member's first node among all nodes.</summary>
        public int[] Places { get; }

        public int Operands { get; }

        /// <summary>Bytes to read of each member: its nodes of the own slices, and its slices.</summary>
        public long[] BytesFrom { get; }

        public BlockFold Fold { get; }

        /// <summary>Slices that this member adds up.</summary>
        public int Owned { get; }

        /// <summary>Slices whose sums this member needs, its own included.</summary>
        public int Held { get; }

        /// <summary>Whose moments it has, where the optimizer is sharded.</summary>
        public ShardPlan? Plan { get; }

        public bool IsFor(LaneAssignment assignment, int member, ShardPlan? plan) =>
            member == _member && ReferenceEquals(plan, Plan) && assignment.Equals(_assignment);

        /// <summary>The member's order of work.</summary>
        public int SliceAt(int index) => _order[index];

        private long Floats(int member, SlicePlan slices)
        {
            var (first, count) = slices.OwnedBy(member, Members);
            return count == 0 ? 0 : slices[first + count - 1].Start + slices[first + count - 1].Length - slices[first].Start;
        }
    }

    /// <summary>The reads of one slice, from being asked for to being used.</summary>
    private sealed class Slot(Division division, int sliceLength)
    {
        private readonly Wanted[] _wanted = new Wanted[division.Members];
        private readonly ReadOnlyMemory<float>[] _operands = new ReadOnlyMemory<float>[division.Operands];
        private Memory<float> _room;
        private int _length;

        public ReadOnlySpan<ReadOnlyMemory<float>> Operands => _operands;

        /// <summary>Hash of a reduced slice, if it was taken on the way.</summary>
        public UInt128? Hash { get; private set; }

        /// <summary>Asks for the parts that have to travel.</summary>
        public void Begin(
            SlicePlan slices, int index, ExchangeKey key, IReadOnlyList<IPeerLink?> links, Memory<float> reduced, CancellationToken cancellation)
        {
            var slice = division.SliceAt(index);
            (var start, _length) = slices[slice];
            if (index >= division.Owned)
            {
                Want(slices.Owner(slice, division.Members), 0, 1, reduced.Slice(start, _length));
            }
            else
            {
                if (_room.IsEmpty)
                    _room = PinnedBuffer.Allocate(division.Operands * sliceLength);
                for (var m = 0; m < division.Members; m++)
                {
                    var (place, count) = (division.Places[m], division.Counts[m]);
                    if (m != division.Member && count > 0)
                        Want(m, place, count, _room.Slice(place * sliceLength, count * _length));
                }
            }

            void Want(int peer, int place, int count, Memory<float> room)
            {
                ref var wanted = ref _wanted[peer];
                wanted = new Wanted(
                    place, count, room, index < division.Owned ? PartKind.Nodes : index < division.Held ? PartKind.Reduced : PartKind.Updated, slice);
                if (links[peer]!.Copies)
                    wanted.Ask(links[peer]!, key, cancellation);
            }
        }

        /// <summary>Ends when every operand of the slice can be read.</summary>
        [AsyncMethodBuilder(typeof(PoolingAsyncValueTaskMethodBuilder))]
        public async ValueTask ReadAsync(ExchangeKey key, IReadOnlyList<IPeerLink?> links, CancellationToken failed, CancellationToken cancellation)
        {
            for (var m = 0; m < _wanted.Length; m++)
            {
                if (_wanted[m].Count == 0)
                    continue;
                try
                {
                    _wanted[m].Ask(links[m]!, key, failed);
                    var part = await _wanted[m].Take().ConfigureAwait(false);
                    SetOperands(m, part);
                }
                catch (Exception error) when (error is IOException or InvalidDataException or StaleKeyException)
                {
                    // Giving up closes connections: what fails after that says nothing about the peer.
                    cancellation.ThrowIfCancellationRequested();
                    throw new PeerLostException(m, error);
                }
            }
        }

        public void SetOwn(ReadOnlyMemory<float>[] own, int start)
        {
            for (var i = 0; i < own.Length; i++)
                _operands[division.Places[division.Member] + i] = own[i].Slice(start, _length);
        }

        /// <summary>Whether what was read was what the peers had published.</summary>
        /// <exception cref="PeerLostException">A peer has gone on; the slice is worth nothing.</exception>
        public void Verify(ExchangeKey key, IReadOnlyList<IPeerLink?> links)
        {
            for (var m = 0; m < _wanted.Length; m++)
            {
                if (_wanted[m].Count > 0 && !links[m]!.IsCurrent(key))
                    throw new PeerLostException(m, new StaleKeyException($"The peer has gone past {key} while its part was read."));
                _wanted[m] = default;
            }
        }

        /// <summary>Waits for what was asked and not taken, whatever comes of it.</summary>
        public async ValueTask AbandonAsync()
        {
            for (var m = 0; m < _wanted.Length; m++)
            {
                try
                {
                    await _wanted[m].Take().ConfigureAwait(false);
                }
                catch (Exception)
                {
                    // The reduction has failed already; this is its echo.
                }

                _wanted[m] = default;
            }
        }

        /// <summary>Lets go of peers' memory.</summary>
        public void Forget() => _operands.AsSpan().Clear();

        private void SetOperands(int peer, PartView part)
        {
            var (place, count) = (_wanted[peer].Place, _wanted[peer].Count);
            if (part.Count != count || part.Length != _length)
                throw new InvalidDataException($"The peer showed {part.Count} × {part.Length} floats where {count} × {_length} belong.");
            for (var i = 0; i < count; i++)
                _operands[place + i] = part[i];
            Hash = part.Hash;
        }
    }

    /// <summary>A part of one peer; asked for at most once.</summary>
    private record struct Wanted(int Place, int Count, Memory<float> Room, PartKind Kind, int Slice)
    {
        private ValueTask<PartView> _read;
        private bool _asked;

        public void Ask(IPeerLink link, ExchangeKey key, CancellationToken cancellation)
        {
            if (!_asked)
                (_asked, _read) = (true, link.ReadAsync(key, Kind, Slice, Count, Room, cancellation));
        }

        public ValueTask<PartView> Take()
        {
            var read = _read;
            _read = default;
            return read;
        }
    }
}
