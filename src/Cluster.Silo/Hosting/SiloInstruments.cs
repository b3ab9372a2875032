// Enters: the folder of runs and the stores of a silo's process. Leaves: gauges of the folder's free room and of the stores' answers.
// Does not know: what is kept there.

using System.Diagnostics.Metrics;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.Hosting;

namespace Cluster.Silo.Hosting;

/// <summary>What a silo's process shows of what it stands on. Stores are asked every five seconds.</summary>
internal sealed class SiloInstruments : BackgroundService
{
    /// <summary>Name of the meter.</summary>
    public const string MeterName = "Cluster.Silo";

    private static readonly TimeSpan s_pause = TimeSpan.FromSeconds(5), s_patience = TimeSpan.FromSeconds(2);
    private readonly IServiceProvider _services;
    private readonly TimeProvider _time;
    private readonly bool _hasStore;
    private int _storeAnswers = 1;

    /// <param name="meters">Of the host.</param>
    /// <param name="configuration"><c>Cluster:RunsPath</c>, the folder of runs, and the stores.</param>
    /// <param name="services">With the stores' connections.</param>
    /// <param name="time">Clocks the questions.</param>
    public SiloInstruments(IMeterFactory meters, IConfiguration configuration, IServiceProvider services, TimeProvider time)
    {
        (_services, _time, _hasStore) = (services, time, StoreConnections.HasStore(configuration));
        var meter = meters.Create(MeterName);
        if (_hasStore)
            meter.CreateObservableGauge("cluster.store.up", () => Volatile.Read(ref _storeAnswers), "1", "1 while the store answers, else 0.");
        if (configuration["Cluster:RunsPath"] is not { Length: > 0 } runs)
            return;
        meter.CreateObservableGauge("cluster.runs.free", () => Disk(runs, drive => drive.AvailableFreeSpace), "By", "Free room where the runs are.");
        meter.CreateObservableGauge("cluster.runs.size", () => Disk(runs, drive => drive.TotalSize), "By", "All room where the runs are.");
    }

    /// <inheritdoc/>
    protected override async Task ExecuteAsync(CancellationToken stoppingToken)
    {
        if (!_hasStore)
            return;
        using var timer = new PeriodicTimer(s_pause, _time);
        try
        {
            do
                Volatile.Write(ref _storeAnswers, await AnswersAsync(stoppingToken) ? 1 : 0);
            while (await timer.WaitForNextTickAsync(stoppingToken));
        }
        catch (OperationCanceledException)
        {
            // The process ends.
        }
    }

    private async Task<bool> AnswersAsync(CancellationToken cancellation)
    {
        try
        {
            await _services.CheckStoresAsync().WaitAsync(s_patience, _time, cancellation);
            return true;
        }
        catch (Exception error) when (error is UserErrorException or TimeoutException)
        {
            return false;
        }
    }

    /// <summary>A folder whose volume is away for a while has no figure.</summary>
    private static IEnumerable<Measurement<long>> Disk(string folder, Func<DriveInfo, long> figure)
    {
        try
        {
            return [new Measurement<long>(figure(new DriveInfo(folder)))];
        }
        catch (IOException)
        {
            return [];
        }
    }
}
