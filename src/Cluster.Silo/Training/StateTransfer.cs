// A replica's state for newcomers to copy [15]. Enters: the engine's vectors with the steps that they have applied. Leaves: the same
// vectors in another engine. Does not know: who copies, why, what comes of it; the protocol's machines decide that.
using Cluster.Collectives.Exchange;
using Cluster.Collectives.Reduction;
using Cluster.Model.Training;

namespace Cluster.Silo.Training;

/// <summary>
/// The exchange's board with a state on it: parameters and both moments are its three nodes, the steps applied its step. What is
/// copied while the donor changes it is noticed like any part that went stale.
/// </summary>
internal sealed class StateTransfer(ExchangeBoard board, ulong run, SlicePlan slices)
{
    /// <summary>Of the boards that hold states: not those that gradients travel by.</summary>
    public static ulong RunOf(ulong run) => run ^ 0x5354_4154_4553_0000; // "STATES"

    /// <summary>Shows nothing; to be called before the state changes, with the steps that it will have applied.</summary>
    public void Withdraw(long steps) => board.Advance(KeyOf(steps));

    /// <summary>Shows the state after the steps that <see cref="Withdraw"/> was told.</summary>
    public void Publish(TrainingEngine engine) => board.PublishNodes([.. engine.State.Select(vector => (ReadOnlyMemory<float>)vector)], slices);

    /// <summary>Overwrites an engine's state by a donor's.</summary>
    /// <exception cref="StaleKeyException">The donor has gone on.</exception>
    /// <exception cref="IOException">The donor is lost.</exception>
    public async Task CopyAsync(IPeerLink donor, long steps, TrainingEngine engine, CancellationToken cancellation)
    {
        var key = KeyOf(steps);
        var state = engine.State;
        var room = new float[state.Count * slices.SliceLength];
        for (var slice = 0; slice < slices.Count; slice++)
        {
            var (start, length) = slices[slice];
            var part = await donor.ReadAsync(key, PartKind.Nodes, slice, state.Count, room.AsMemory(0, state.Count * length), cancellation).ConfigureAwait(false);
            for (var i = 0; i < state.Count; i++)
                part[i].Span.CopyTo(state[i].Span.Slice(start, length));
            if (!donor.IsCurrent(key))
                throw new StaleKeyException($"The donor has gone past step {steps}.");
        }

        engine.ParametersChanged();
    }

    private ExchangeKey KeyOf(long steps) => new(RunOf(run), 0, 0, steps);
}
