// Which slices' moments a replica holds, and how it comes by those that it is to hold [16].
// Enters: generations with their members; sums and parameters from the exchange. Leaves: a state one step on; what is held, told to peers.
// Does not know: who is a member and why, commits, where peers run (it gets links).
using System.Buffers.Binary;
using System.IO.Hashing;
using System.Runtime.InteropServices;
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Model.Training;

namespace Cluster.Silo.Training;

/// <summary>
/// The optimizer's state of a replica that shares it with others. At a step it holds the moments that the members at hand make its own,
/// and until that step is committed also those that earlier members made its own: nobody drops what another may still have to copy. When
/// the members change, everyone shows hashes of what it holds, and whoever lacks a slice copies it from one that has it; a step is READY
/// only when its replica holds all that it is to hold, so that a COMMIT finds every slice with its owner and its buddy.
/// Used by the compute thread alone.
/// </summary>
internal sealed class OptimizerShards
{
    private const int HashFloats = 4;
    private readonly TrainingEngine _engine;
    private readonly SlicePlan _slices;
    private readonly ExchangeBoard _board;
    private readonly StateTransfer _state;
    private readonly Func<Member, string> _hostOf;
    private readonly bool[] _held;
    private (long Term, long Generation) _settled, _assignedIn;
    private Roster? _roster;
    private Func<Member, IPeerLink>? _toState;
    private ShardPlan? _plan;
    private int _place;

    /// <param name="engine">Whose moments they are; it holds all of them, or, with a state that is still to be copied, none.</param>
    /// <param name="slices">The cut.</param>
    /// <param name="board">Where peers look for what is held.</param>
    /// <param name="state">By which moments are copied.</param>
    /// <param name="hostOf">What dies as one with a member.</param>
    public OptimizerShards(TrainingEngine engine, SlicePlan slices, ExchangeBoard board, StateTransfer state, Func<Member, string> hostOf)
    {
        (_engine, _slices, _board, _state, _hostOf) = (engine, slices, board, state, hostOf);
        _held = new bool[slices.Count];
        Array.Fill(_held, true);
    }

    /// <summary>Floats of one moment that are held.</summary>
    public long HeldFloats => Enumerable.Range(0, _held.Length).Sum(slice => _held[slice] ? (long)_slices[slice].Length : 0);

    /// <summary>What is held of the state as it is now.</summary>
    public HeldMoments Held
    {
        get
        {
            var ranges = new List<(int First, int Count)>();
            for (var slice = 0; slice < _held.Length; slice++)
            {
                if (!_held[slice])
                    continue;
                if (ranges.Count > 0 && ranges[^1].First + ranges[^1].Count == slice)
                    ranges[^1] = (ranges[^1].First, ranges[^1].Count + 1);
                else
                    ranges.Add((slice, 1));
            }

            return new HeldMoments(_held.Length, ranges);
        }
    }

    /// <summary>Drops everything: the parameters are about to become another state's.</summary>
    public void Forget()
    {
        Array.Clear(_held);
        _engine.ReleaseMoments(0, _engine.Length);
    }

    /// <summary>
    /// Turns to a step's members, and tells them what is held where the generation is new; the board must have advanced to the step.
    /// </summary>
    /// <returns>Whose moments are to be held by whom, or null where everybody holds everything.</returns>
    public ShardPlan? Begin(BeginStep begin, int place, Func<Member, IPeerLink> toState)
    {
        if (_plan is null || !ReferenceEquals(_roster, begin.Members))
            _plan = new ShardPlan(_slices, [.. begin.Members.Select(_hostOf)]);
        (_roster, _place, _toState, _assignedIn) = (begin.Members, place, toState, (begin.Term, begin.Generation));
        if (_settled != _assignedIn)
            Tell();
        return _plan.IsWhole ? null : _plan;
    }

    /// <summary>Copies what is to be held and is not yet.</summary>
    /// <param name="key">The step's.</param>
    /// <param name="links">To the members' boards of the reduction.</param>
    /// <param name="limit">How long a peer may be silent.</param>
    /// <param name="cancellation">Ends waiting when the generation is over.</param>
    /// <returns>A slice whose moments no member holds, or -1.</returns>
    /// <exception cref="PeerLostException">A peer failed.</exception>
    public async Task<int> GatherAsync(ExchangeKey key, IReadOnlyList<IPeerLink?> links, TimeSpan limit, CancellationToken cancellation)
    {
        var missing = Enumerable.Range(0, _held.Length).Where(slice => !_held[slice] && _plan!.Holds(_place, slice)).ToArray();
        if (missing.Length == 0)
            return -1;
        var told = new float[links.Count][];
        for (var member = 0; member < links.Count; member++)
        {
            if (links[member] is not { } link)
                continue;
            var room = new float[_held.Length * HashFloats];
            var holdings = await Of(member, () => link.ReadAsync(key, PartKind.Holdings, 0, 1, room, cancellation), cancellation).ConfigureAwait(false);
            told[member] = holdings[0].ToArray();
        }

        var states = new IPeerLink?[links.Count];
        try
        {
            foreach (var slice in missing)
            {
                var holders = Enumerable.Range(0, told.Length).Where(member => told[member] is not null && HashOf(told[member], slice) != 0).ToArray();
                if (holders.Length == 0)
                    return slice;
                // Slices are asked of all their holders in turn, so that none of them serves all.
                var holder = holders[slice % holders.Length];
                var hash = HashOf(told[holder], slice);
                if (holders.Any(other => HashOf(told[other], slice) != hash))
                {
                    throw new InvalidOperationException($"The moments of slice {slice} after step {key.Step} are not the same at "
                        + $"{string.Join(" and ", holders.Select(other => _roster![other].Id))}: equal inputs gave unequal bits.");
                }

                var link = states[holder] ??= _toState!(_roster![holder]);
                link.AnswerLimit = limit;
                await Of(holder, () => _state.CopyMomentsAsync(
                    link, key.Step, slice, _engine.State[1], _engine.State[2], cancellation), cancellation).ConfigureAwait(false);
                if (Hash(slice) != hash)
                    throw new PeerLostException(holder, new InvalidDataException($"The copied moments of slice {slice} fail their hash."));
                _held[slice] = true;
            }

            return -1;
        }
        finally
        {
            foreach (var link in states)
            {
                if (link is not null)
                    await link.DisposeAsync().ConfigureAwait(false);
            }
        }

        static async Task<T> Of<T>(int member, Func<ValueTask<T>> read, CancellationToken cancellation)
        {
            try
            {
                return await read().ConfigureAwait(false);
            }
            catch (Exception error) when (error is IOException or InvalidDataException or StaleKeyException)
            {
                cancellation.ThrowIfCancellationRequested();
                throw new PeerLostException(member, error);
            }
        }
    }

    /// <summary>Makes the step that was READY current: nothing but memory of this process is needed for it [10].</summary>
    /// <param name="reduced">Sums where the moments are held by the members at hand, parameters elsewhere.</param>
    /// <param name="norm">Of the gradient.</param>
    /// <param name="learningRate">Of the step.</param>
    /// <param name="step">Counted from 1.</param>
    public void Apply(ReadOnlySpan<float> reduced, double norm, double learningRate, long step)
    {
        for (var slice = 0; slice < _held.Length; slice++)
        {
            var (start, length) = _slices[slice];
            var part = reduced.Slice(start, length);
            if (_plan!.Holds(_place, slice))
            {
                _engine.Apply(start, part, norm, learningRate, step);
                continue;
            }

            _engine.Take(start, part);
            // Everyone was READY: its owner and its buddy hold it.
            if (_held[slice])
                _engine.ReleaseMoments(start, length);
            _held[slice] = false;
        }

        _settled = _assignedIn;
    }

    /// <summary>Gathers the whole moments of the state as it is now, from this replica and from whoever holds the others.</summary>
    /// <param name="steps">Steps applied.</param>
    /// <param name="first">Filled.</param>
    /// <param name="second">Filled.</param>
    /// <param name="limit">How long a peer may be silent.</param>
    /// <exception cref="IOException">Nobody that can be reached holds some slice.</exception>
    public async Task CollectAsync(long steps, Memory<float> first, Memory<float> second, TimeSpan limit)
    {
        var links = new Dictionary<int, IPeerLink>();
        var lost = new HashSet<int>();
        try
        {
            for (var slice = 0; slice < _held.Length; slice++)
            {
                if (_held[slice])
                {
                    var (start, length) = _slices[slice];
                    _engine.FirstMoments.Slice(start, length).CopyTo(first.Span[start..]);
                    _engine.SecondMoments.Slice(start, length).CopyTo(second.Span[start..]);
                    continue;
                }

                Exception? last = null;
                var found = false;
                for (var member = 0; !found && member < (_plan?.Members ?? 0); member++)
                {
                    if (member == _place || lost.Contains(member) || !_plan!.Holds(member, slice))
                        continue;
                    try
                    {
                        if (!links.TryGetValue(member, out var link))
                            links[member] = link = _toState!(_roster![member]);
                        link.AnswerLimit = limit;
                        await _state.CopyMomentsAsync(link, steps, slice, first, second, CancellationToken.None).ConfigureAwait(false);
                        found = true;
                    }
                    catch (Exception error) when (error is IOException or StaleKeyException)
                    {
                        last = error;
                        lost.Add(member);
                    }
                }

                if (!found)
                    throw new IOException($"The moments of slice {slice} after step {steps} cannot be read of any replica: {last?.Message ?? "none holds them."}", last);
            }
        }
        finally
        {
            foreach (var link in links.Values)
                await link.DisposeAsync().ConfigureAwait(false);
        }
    }

    private void Tell()
    {
        var notes = new float[_held.Length * HashFloats];
        for (var slice = 0; slice < _held.Length; slice++)
            BinaryPrimitives.WriteUInt128LittleEndian(BytesOf(notes, slice), _held[slice] ? Hash(slice) : 0);
        _board.PublishNotes(PartKind.Holdings, notes, _slices);
    }

    private UInt128 Hash(int slice)
    {
        var (start, length) = _slices[slice];
        var hash = new XxHash128();
        hash.Append(MemoryMarshal.AsBytes(_engine.FirstMoments.Slice(start, length)));
        hash.Append(MemoryMarshal.AsBytes(_engine.SecondMoments.Slice(start, length)));
        return hash.GetCurrentHashAsUInt128();
    }

    private static UInt128 HashOf(float[] notes, int slice) => BinaryPrimitives.ReadUInt128LittleEndian(BytesOf(notes, slice));

    private static Span<byte> BytesOf(float[] notes, int slice) => MemoryMarshal.AsBytes(notes.AsSpan(slice * HashFloats, HashFloats));
}
