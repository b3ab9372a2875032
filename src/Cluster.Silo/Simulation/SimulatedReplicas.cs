using System.Collections.Concurrent;
using System.Diagnostics.Metrics;
using Cluster.Collectives.Exchange;
using Cluster.Contracts.Training;
using Cluster.Core.Recipes;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Shards;
using Cluster.Silo.Training;

namespace Cluster.Silo.Simulation;

/// <summary>
/// The simulated replicas of this silo, with what they share: an address (a board that holds nothing, so that a knock finds the process),
/// the ledger, and a count of the messages that the silo sends.
/// </summary>
public sealed class SimulatedReplicas(ILocalSiloDetails silo, ExchangeHub hub, TimeProvider time) : IAsyncDisposable
{
    private const string SentInstrument = "orleans-messaging-sent-messages-size";
    private readonly ConcurrentDictionary<string, SimulationLedger> _ledgers = new(StringComparer.Ordinal);
    private readonly Lock _gate = new();
    private ExchangeHub.Registration? _registration;
    private MeterListener? _meters;
    private long _messages, _bytes;

    /// <summary>Figures of a job; null where none of its replicas was here.</summary>
    internal SimulationFigures? FiguresOf(string job) => _ledgers.TryGetValue(job, out var ledger)
        ? ledger.Figures(Interlocked.Read(ref _messages), Interlocked.Read(ref _bytes), Environment.CpuUsage.TotalTime.TotalSeconds)
        : null;

    /// <summary>Starts a replica.</summary>
    internal SimulatedReplica Start(string key, TrainingJob job, SimulatedWork work, CoordinatorLine line, ShardLine shards)
    {
        var address = Open(job);
        var recipe = RecipeJson.Parse(job.RecipeJson, "The job's recipe");
        var around = new SimulatedSurroundings(
            ReplicaHost.IdentityOf(job, recipe) with { Fingerprint = nameof(Simulation) }, address, line, shards.GetAsync,
            _ledgers.GetOrAdd(job.Key, _ => new SimulationLedger()), time, recipe.Training.Steps);
        return new SimulatedReplica(key, job, work, around);
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        _meters?.Dispose();
        if (_registration is not null)
            await _registration.DisposeAsync();
    }

    /// <summary>Nothing of this is there in a silo that simulates nothing.</summary>
    private string Open(TrainingJob job)
    {
        lock (_gate)
        {
            if (_registration is null)
            {
                _registration = hub.Register(new ExchangeBoard(0), job.Secret);
                _meters = new MeterListener
                {
                    InstrumentPublished = (instrument, listener) =>
                    {
                        if (instrument.Name == SentInstrument)
                            listener.EnableMeasurementEvents(instrument);
                    },
                };
                _meters.SetMeasurementEventCallback<int>((_, size, _, _) => Count(size));
                _meters.SetMeasurementEventCallback<long>((_, size, _, _) => Count(size));
                _meters.Start();
            }

            return new ReplicaAddress(_registration.Address, _registration.Address, silo.SiloAddress).ToString();
        }
    }

    private void Count(long size)
    {
        Interlocked.Increment(ref _messages);
        Interlocked.Add(ref _bytes, size);
    }
}
