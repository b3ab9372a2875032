using System.Diagnostics.Metrics;
using Cluster.Contracts.Training;

namespace Cluster.Silo.Training;

/// <summary>What a silo's replicas show to a metrics system: where their time and their bytes go, read when asked for.</summary>
public sealed class ReplicaInstruments
{
    /// <summary>Gradient bytes read from peers.</summary>
    public const string ExchangeBytes = "cluster.training.exchange.io";

    private Func<IEnumerable<ReplicaWorker>> _workers = () => [];

    /// <param name="meters">Of the host.</param>
    public ReplicaInstruments(IMeterFactory meters)
    {
        var meter = meters.Create(TrainingInstruments.MeterName);
        meter.CreateObservableCounter("cluster.training.phase.time", () => Observe(worker => worker.Times.Select(time => (time.Time.TotalSeconds, "phase", time.Phase))),
            "s", "Time of a replica's compute thread by what it was at; wait is from its last word to the coordinator's answer.");
        meter.CreateObservableCounter(ExchangeBytes, () => Observe(worker => worker.BytesRead.Select(read => (read.Bytes, "transport", read.Transport))),
            "By", "Gradient bytes read from peers, by how they got here.");
        meter.CreateObservableCounter("cluster.training.lanes.computed", () => Observe(worker => ((long, string, string)[])[(worker.LanesComputed, "", "")]),
            "{lane}", "Lane gradients computed.");
        meter.CreateObservableCounter("cluster.training.replica.steps", () => Observe(worker => ((long, string, string)[])[(worker.StepsApplied, "", "")]),
            "{step}", "Steps that a replica has applied.");
        meter.CreateObservableCounter("cluster.training.tokens.lost", () => Observe(worker => ((long, string, string)[])[(worker.Audit.Lost, "", "")]),
            "{token}", "Tokens of samples that a replica's state was to take in and did not; 0, or the promise is broken.");
        meter.CreateObservableCounter("cluster.training.tokens.repeated", () => Observe(worker => ((long, string, string)[])[(worker.Audit.Repeated, "", "")]),
            "{token}", "Tokens of samples that a replica's state took in twice; 0, or the promise is broken.");
        meter.CreateObservableUpDownCounter("cluster.training.replica.memory", () => Observe(worker => worker.MemoryBytes.Select(part => (part.Bytes, "part", part.Part))),
            "By", "What a replica's weights, moments, gradients and activations take.");
    }

    /// <summary>Says where the replicas of this silo are found.</summary>
    internal void Watch(Func<IEnumerable<ReplicaWorker>> workers) => _workers = workers;

    private IEnumerable<Measurement<T>> Observe<T>(Func<ReplicaWorker, IEnumerable<(T Value, string Tag, string Name)>> figures)
        where T : struct
    {
        foreach (var worker in _workers())
        {
            var key = ReplicaKey.Parse(ReplicaKey.OfMember(worker.Member.Id));
            var (run, stage) = RecentSeries<StageTimes>.Of(key.Run);
            foreach (var (value, tag, name) in figures(worker))
            {
                KeyValuePair<string, object?>[] own = tag.Length == 0 ? [] : [new(tag, name)];
                yield return new Measurement<T>(value, [new("run", run), new("stage", stage), new("replica", NameOf(key)), .. own]);
            }
        }
    }

    /// <summary>A replica's name among those of a stage; its lives share it.</summary>
    internal static string NameOf(ReplicaKey key) => $"{key.Silo}/{key.Slot}";
}
