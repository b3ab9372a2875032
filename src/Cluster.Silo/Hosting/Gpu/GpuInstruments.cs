// Enters: the GPUs that this process sees. Leaves: gauges of each. Does not know: who computes on them.
using System.Diagnostics.Metrics;
using Cluster.Core.Errors;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;

namespace Cluster.Silo.Hosting.Gpu;

/// <summary>
/// GPUs by OpenTelemetry's semantic conventions for hardware. A device is looked at once for all figures of a scrape; where there is none,
/// there are no instruments.
/// </summary>
internal sealed class GpuInstruments : IHostedService
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Cluster.Gpu";

    private const string Key = "Cluster:Gpu", Required = "required", Optional = "optional";
    private static readonly TimeSpan s_fresh = TimeSpan.FromMilliseconds(100);
    private readonly IGpus? _gpus;
    private readonly TimeProvider _time;
    private readonly Lock _gate = new();
    private IReadOnlyList<GpuFigures> _figures = [];
    private long? _readAt;

    /// <param name="meters">Of the host.</param>
    /// <param name="time">Tells which figures are old.</param>
    /// <param name="gpus">What to look at, or null.</param>
    public GpuInstruments(IMeterFactory meters, TimeProvider time, IGpus? gpus)
    {
        (_gpus, _time) = (gpus, time);
        if (gpus is not { Count: > 0 })
            return;
        var meter = meters.Create(MeterName);
        meter.CreateObservableGauge("hw.gpu.utilization", () => Observe(gpu => gpu.Utilization), "1", "Share of the last moments in which a kernel ran.");
        meter.CreateObservableGauge(
            "hw.gpu.memory.utilization", () => Observe<double>(gpu => gpu is { MemoryUsed: { } used, MemoryTotal: > 0 and var total } ? used / (double)total : null), "1",
            "Share of the memory that is used.");
        meter.CreateObservableUpDownCounter("hw.gpu.memory.usage", () => Observe(gpu => gpu.MemoryUsed), "By", "Memory that is used.");
        meter.CreateObservableUpDownCounter("hw.gpu.memory.limit", () => Observe(gpu => gpu.MemoryTotal), "By", "All memory.");
        meter.CreateObservableGauge("hw.temperature", () => Observe(gpu => gpu.Temperature), "Cel", "Temperature of the die.");
        meter.CreateObservableGauge("hw.power", () => Observe(gpu => gpu.Power), "W", "Power that is drawn.");
    }

    /// <summary>Makes sure that there is a GPU where one is asked for: on a node without one a silo would compute on its cores, and slow all others down.</summary>
    /// <param name="configuration"><c>Cluster:Gpu</c>: <c>required</c>, or <c>optional</c>, which it is where nothing is said.</param>
    /// <param name="gpus">What there is.</param>
    /// <exception cref="UserErrorException">There is none, or the word is neither.</exception>
    public static void Check(IConfiguration configuration, IGpus? gpus)
    {
        switch (configuration[Key])
        {
            case null or "" or Optional:
                return;
            case Required when gpus is { Count: > 0 }:
                return;
            case Required:
                throw new UserErrorException(
                    $"{Key} is \"{Required}\", and {(gpus is null ? "NVIDIA's driver is not here or does not answer" : "the driver shows no GPU")}.",
                    $"Start the silo where there is one (in Kubernetes with a limit on nvidia.com/gpu), or give {Key}={Optional}.");
            case var other:
                throw new UserErrorException($"{Key} is \"{other}\".", $"Give {Required} or {Optional}.");
        }
    }

    /// <inheritdoc/>
    public Task StartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    private List<Measurement<T>> Observe<T>(Func<GpuFigures, T?> value)
        where T : struct
    {
        IReadOnlyList<GpuFigures> figures;
        lock (_gate)
        {
            if (_readAt is not { } at || _time.GetElapsedTime(at) >= s_fresh)
                (_figures, _readAt) = (_gpus!.Read(), _time.GetTimestamp());
            figures = _figures;
        }

        return [.. figures.SelectMany(gpu => value(gpu) is { } figure
            ? (Measurement<T>[])[new Measurement<T>(figure, new KeyValuePair<string, object?>("hw.id", gpu.Id), new("hw.name", gpu.Name), new("hw.type", "gpu"))] : [])];
    }
}
