using Cluster.Collectives.Protocol;
using Cluster.Contracts.Training;
using Cluster.Silo.Training;
using Orleans.Storage;

namespace Cluster.Silo.Faults;

/// <summary>
/// What a second activation of a coordinator does first, and then nothing more: it takes a new term in the store by a conditional
/// write. The one at work learns of it at its next write, gives up, and an activation with a still later term takes over.
/// </summary>
internal sealed class SecondCoordinator(IGrainFactory grains, IGrainStorage storage)
{
    /// <param name="job">The job's key.</param>
    public async Task TakeOverAsync(string job)
    {
        var id = grains.GetGrain<IAllReduceGrain>(job).GetGrainId();
        while (true)
        {
            var state = new GrainState<AllReduceState>(new AllReduceState());
            await storage.ReadStateAsync(AllReduceState.Name, id, state);
            if (state.State?.Record is not { } record)
                return;
            foreach (var action in new StepCoordinator((uint)Random.Shared.NextInt64(1L << 32)).TakeOver(record.ToRecord()))
            {
                if (action is CoordinatorAction.Store store)
                    state.State.Record = store.Record.ToMessage();
            }

            try
            {
                await storage.WriteStateAsync(AllReduceState.Name, id, state);
                return;
            }
            catch (InconsistentStateException)
            {
                // A commit came between: an activation would read again too.
            }
        }
    }
}
