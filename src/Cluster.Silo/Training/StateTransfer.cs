// A replica's state for newcomers to copy [15]. Enters: the engine's vectors with the steps that they have applied. Leaves: the same
// vectors in another engine. Does not know: who copies, why, what comes of it; the protocol's machines decide that.
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Reduction;
using Cluster.Model.Training;

namespace Cluster.Silo.Training;

/// <summary>
/// The exchange's board with a state on it: the parameters are its one node, the moments its moments, the steps applied its step. What is
/// copied while the donor changes it is noticed like any part that went stale.
/// </summary>
internal sealed class StateTransfer(ExchangeBoard board, ulong run, SlicePlan slices)
{
    private float[] _room = [];

    /// <summary>Of the boards that hold states: not those that gradients travel by.</summary>
    public static ulong RunOf(ulong run) => run ^ 0x5354_4154_4553_0000; // "STATES"

    /// <summary>Shows nothing; to be called before the state changes, with the steps that it will have applied.</summary>
    public void Withdraw(long steps) => board.Advance(KeyOf(steps));

    /// <summary>Shows the state after the steps that <see cref="Withdraw"/> was told.</summary>
    public void Publish(TrainingEngine engine)
    {
        var state = engine.State;
        board.PublishNodes([state[0]], slices);
        board.PublishMoments([state[1], state[2]], slices);
    }

    /// <summary>Overwrites an engine's parameters by a donor's, and its moments where they are asked for.</summary>
    /// <exception cref="StaleKeyException">The donor has gone on.</exception>
    /// <exception cref="IOException">The donor is lost.</exception>
    public async Task CopyAsync(IPeerLink donor, long steps, TrainingEngine engine, bool withMoments, CancellationToken cancellation)
    {
        var state = engine.State;
        for (var slice = 0; slice < slices.Count; slice++)
        {
            await CopyAsync(donor, PartKind.Nodes, steps, slice, [state[0]], cancellation).ConfigureAwait(false);
            if (withMoments)
                await CopyMomentsAsync(donor, steps, slice, state[1], state[2], cancellation).ConfigureAwait(false);
        }

        engine.ParametersChanged();
    }

    /// <summary>Overwrites a slice of both moments by a holder's.</summary>
    /// <param name="holder">Who holds that slice.</param>
    /// <param name="steps">Steps that it has applied.</param>
    /// <param name="slice">Which.</param>
    /// <param name="first">The whole vector.</param>
    /// <param name="second">The whole vector.</param>
    /// <param name="cancellation">Ends waiting.</param>
    /// <exception cref="StaleKeyException">The holder has gone on.</exception>
    /// <exception cref="IOException">The holder is lost.</exception>
    public ValueTask<bool> CopyMomentsAsync(
        IPeerLink holder, long steps, int slice, Memory<float> first, Memory<float> second, CancellationToken cancellation) =>
        CopyAsync(holder, PartKind.Moments, steps, slice, [first, second], cancellation);

    private async ValueTask<bool> CopyAsync(IPeerLink from, PartKind kind, long steps, int slice, Memory<float>[] to, CancellationToken cancellation)
    {
        var key = KeyOf(steps);
        var (start, length) = slices[slice];
        var floats = to.Length * length;
        if (_room.Length < floats)
            _room = new float[to.Length * slices.SliceLength];
        var part = await from.ReadAsync(key, kind, slice, to.Length, _room.AsMemory(0, floats), cancellation).ConfigureAwait(false);
        for (var i = 0; i < to.Length; i++)
            part[i].Span.CopyTo(to[i].Span.Slice(start, length));
        return from.IsCurrent(key) ? true : throw new StaleKeyException($"The donor has gone past step {steps}.");
    }

    private ExchangeKey KeyOf(long steps) => new(RunOf(run), 0, 0, steps);
}
