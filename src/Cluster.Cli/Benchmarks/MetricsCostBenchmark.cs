// Measures what being watched costs: the same training in one process, in turn with nobody who listens to its instruments and with a
// Prometheus endpoint that is scraped as often as infra/prometheus says.
using System.Diagnostics;
using System.Globalization;
using Cluster.Contracts.Shards;
using Cluster.Contracts.Training;
using Cluster.Core.Models;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Model.Runtime;
using Cluster.ServiceDefaults;
using Cluster.Silo.Hosting;
using Cluster.Silo.Training;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace Cluster.Cli.Benchmarks;

/// <summary>What being watched cost.</summary>
/// <param name="Shape">S or M.</param>
/// <param name="Precision">Of activations.</param>
/// <param name="Replicas">Replicas.</param>
/// <param name="Pairs">Blocks without and with, in turn; which of a pair comes first alternates.</param>
/// <param name="Steps">Of a block.</param>
/// <param name="StepMilliseconds">Median over the blocks without.</param>
/// <param name="TimeShare">Median over the pairs of time with over time without, less 1.</param>
/// <param name="CpuShare">The same of processor time of the whole process, scraper included: steadier on a machine that others use.</param>
/// <param name="CpuShareError">Standard error of that median, of the pairs' spread: a share that is not well above it is noise.</param>
/// <param name="Scrapes">In all blocks with.</param>
/// <param name="ScrapeMilliseconds">Median time of a scrape at whoever asks.</param>
/// <param name="ScrapeBytes">Of the last.</param>
/// <param name="ScrapeCpuMilliseconds">Processor time of a scrape, asker included, while nothing is trained: over the interval, its share of one core.</param>
/// <param name="RecordMicroseconds">What a driver's record of one step takes, which is paid whether anybody listens or not.</param>
public sealed record MetricsCostResult(
    string Shape, string Precision, int Replicas, int Pairs, long Steps, double StepMilliseconds, double TimeShare, double CpuShare, double CpuShareError, int Scrapes,
    double ScrapeMilliseconds, long ScrapeBytes, double ScrapeCpuMilliseconds, double RecordMicroseconds);

/// <summary>Trains on synthetic tokens, watched and not.</summary>
internal static class MetricsCostBenchmark
{
    /// <summary>Share of the processor's time that watching may take.</summary>
    public const double Most = 0.01;

    private const string SiloName = "local";
    private const int Records = 100_000, IdleScrapes = 20;

    // The interval of infra/prometheus/prometheus.yml. The pause is longer than the exporter's memory of its last answer, 0.3 s.
    private static readonly TimeSpan s_interval = TimeSpan.FromSeconds(5), s_pause = TimeSpan.FromMilliseconds(400);

    /// <param name="shape">S or M.</param>
    /// <param name="precision">Of activations.</param>
    /// <param name="replicas">How many.</param>
    /// <param name="threads">Of each.</param>
    /// <param name="pairs">Blocks of each kind.</param>
    /// <param name="steps">Of a block.</param>
    /// <param name="cancellation">Gives up.</param>
    public static async Task<MetricsCostResult> RunAsync(string shape, Precision precision, int replicas, int threads, int pairs, long steps, CancellationToken cancellation)
    {
        precision = precision == Precision.Auto ? MachineCalibration.BestPrecision : precision;
        var recipe = BenchmarkShape.Get(shape);
        recipe = recipe with { Training = recipe.Training with { ThreadsPerReplica = threads } };
        recipe = recipe.Resolved(recipe.Model.Vocabulary, 0, precision);
        var folder = new RunFolder(Directory.CreateTempSubdirectory("cluster-bench").FullName);
        try
        {
            TrainBenchmark.WriteShards(folder, recipe);
            using var silo = Silo(folder.Path);
            await silo.StartAsync(cancellation);
            var grains = silo.Services.GetRequiredService<IGrainFactory>();
            var key = TrainingJob.KeyOf(folder.Name, StageNames.Pretraining);
            var keys = Enumerable.Range(0, replicas).Select(i => new ReplicaKey(key, SiloName, i).ToString()).ToArray();
            var done = Math.Max(3, steps / 2);
            var job = new TrainingJob(folder.Name, StageNames.Pretraining, RecipeJson.Canonical(recipe), folder.Path, keys, 0, done, null, [1]);
            var coordinator = grains.GetGrain<IAllReduceGrain>(key);
            await grains.GetGrain<IShardGrain>(key).OpenAsync(job);
            await coordinator.StartAsync(job);
            await ReachAsync(done);

            var scrapes = new List<(double Milliseconds, long Bytes)>();
            List<(double Seconds, double Cpu)> without = [], with = [];
            // The first blocks compile what later ones run.
            await BlockAsync(scrapes);
            await BlockAsync(null);
            scrapes.Clear();
            for (var pair = 0; pair < pairs; pair++)
            {
                // A machine that becomes slower all the time is so for both.
                foreach (var watched in pair % 2 == 0 ? (bool[])[false, true] : [true, false])
                    (watched ? with : without).Add(await BlockAsync(watched ? scrapes : null));
            }

            double[] shares = [.. with.Zip(without, (a, b) => a.Cpu / b.Cpu - 1)];
            var scrapeCpu = await ScrapeCpuAsync();
            await coordinator.EndAsync();
            await silo.StopAsync(CancellationToken.None);
            return new MetricsCostResult(
                shape, precision.ToString().ToLowerInvariant(), replicas, pairs, steps, Math.Round(Median(without.Select(block => block.Seconds)) / steps * 1000, 2),
                Math.Round(Median(with.Zip(without, (a, b) => a.Seconds / b.Seconds)) - 1, 4), Math.Round(Median(shares), 4), Math.Round(MedianError(shares), 4),
                scrapes.Count, Math.Round(Median(scrapes.Select(scrape => scrape.Milliseconds)), 2), scrapes.LastOrDefault().Bytes, Math.Round(scrapeCpu, 3), Math.Round(RecordMicroseconds(silo.Services), 3));

            async Task<(double Seconds, double Cpu)> BlockAsync(List<(double, long)>? scrapes)
            {
                await using var watcher = scrapes is null ? null : await Watcher.StartAsync(scrapes);
                // What earlier blocks and the watcher's start left behind is nobody's cost here.
                GC.Collect();
                GC.WaitForPendingFinalizers();
                var (cpu, start) = (Environment.CpuUsage.TotalTime, Stopwatch.GetTimestamp());
                done += steps;
                await coordinator.ContinueAsync(done);
                await ReachAsync(done);
                return (Stopwatch.GetElapsedTime(start).TotalSeconds, (Environment.CpuUsage.TotalTime - cpu).TotalSeconds);
            }

            async Task<double> ScrapeCpuAsync()
            {
                await using var watcher = await Watcher.StartAsync([]);
                var idle = await IdleAsync(() => Task.CompletedTask);
                return (await IdleAsync(watcher.ScrapeAsync) - idle).TotalMilliseconds / IdleScrapes;

                async Task<TimeSpan> IdleAsync(Func<Task> scrape)
                {
                    await scrape();
                    var cpu = Environment.CpuUsage.TotalTime;
                    for (var i = 0; i < IdleScrapes; i++)
                    {
                        await Task.Delay(s_pause, cancellation);
                        await scrape();
                    }

                    return Environment.CpuUsage.TotalTime - cpu;
                }
            }

            async Task ReachAsync(long step)
            {
                while (true)
                {
                    var progress = await coordinator.WaitForProgressAsync(step - 1);
                    cancellation.ThrowIfCancellationRequested();
                    if (progress.Stopped is { } reason)
                        throw new InvalidOperationException(reason);
                    if (progress.Finished && progress.Steps >= step)
                        return;
                }
            }
        }
        finally
        {
            Directory.Delete(folder.Path, recursive: true);
        }
    }

    /// <summary>A silo whose instruments nobody listens to.</summary>
    private static IHost Silo(string runs)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(new Dictionary<string, string?>(StringComparer.Ordinal)
        {
            ["Cluster:SiloName"] = SiloName,
            ["Cluster:RunsPath"] = runs,
            ["Orleans:Endpoints:SiloPort"] = Ports.Free().ToString(CultureInfo.InvariantCulture),
            ["Orleans:Endpoints:GatewayPort"] = Ports.Free().ToString(CultureInfo.InvariantCulture),
        });
        SiloProcess.Configure(builder);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        return builder.Build();
    }

    private static double RecordMicroseconds(IServiceProvider services)
    {
        var instruments = services.GetRequiredService<TrainingInstruments>();
        var point = new MetricPoint { Stage = StageNames.Pretraining, Step = 1, Seconds = 1, Tokens = 1, Loss = 1, LearningRate = 1, GradientNorm = 1 };
        instruments.Record("bench", point);
        var start = Stopwatch.GetTimestamp();
        for (var i = 0; i < Records; i++)
            instruments.Record("bench", point);
        return Stopwatch.GetElapsedTime(start).TotalMicroseconds / Records;
    }

    private static double Median(IEnumerable<double> values)
    {
        var sorted = values.Order().ToArray();
        return sorted.Length == 0 ? 0 : (sorted[(sorted.Length - 1) / 2] + sorted[sorted.Length / 2]) / 2;
    }

    /// <summary>From the middle half of the values, as if they were normally distributed: 1.253 standard deviations over the root of their number.</summary>
    private static double MedianError(double[] values)
    {
        double[] sorted = [.. values.Order()];
        return 1.253 * (sorted[(int)(0.75 * (sorted.Length - 1))] - sorted[(int)(0.25 * (sorted.Length - 1))]) / 1.349 / Math.Sqrt(sorted.Length);
    }

    /// <summary>What a process has for its watchers, and one of them.</summary>
    private sealed class Watcher : IAsyncDisposable
    {
        private readonly IHost _host;
        private readonly IAsyncDisposable _server;
        private readonly HttpClient _http;
        private readonly CancellationTokenSource _end = new();
        private readonly Task _scraping;

        private Watcher(IHost host, IAsyncDisposable server, Uri address, List<(double, long)> scrapes)
        {
            (_host, _server, _http) = (host, server, new HttpClient { BaseAddress = address });
            _scraping = ScrapeAsync(scrapes);
        }

        public static async Task<Watcher> StartAsync(List<(double, long)> scrapes)
        {
            var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
            builder.AddServiceDefaults();
            builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
            var host = builder.Build();
            await host.StartAsync();
            var socket = HttpSocket.TakeFirstFree(System.Net.IPAddress.Loopback, Enumerable.Range(Ports.Free(), Ports.Count))
                ?? throw new IOException("No port is free.");
            var watcher = new Watcher(host, await ProbeServer.StartAsync(socket, host.Services), socket.Address, scrapes);
            // The first answer is slow once in a process's life, not in every interval.
            await watcher.ScrapeAsync();
            return watcher;
        }

        public async Task<long> ScrapeAsync() =>
            (await _http.GetByteArrayAsync(new Uri(ServiceDefaultsExtensions.MetricsPath, UriKind.Relative), _end.Token)).LongLength;

        public async ValueTask DisposeAsync()
        {
            await _end.CancelAsync();
            await _scraping;
            await _server.DisposeAsync();
            _http.Dispose();
            // Ends what listens to the instruments, too.
            _host.Dispose();
            _end.Dispose();
        }

        private async Task ScrapeAsync(List<(double, long)> scrapes)
        {
            using var timer = new PeriodicTimer(s_interval);
            try
            {
                while (await timer.WaitForNextTickAsync(_end.Token))
                {
                    var start = Stopwatch.GetTimestamp();
                    var bytes = await ScrapeAsync();
                    scrapes.Add((Stopwatch.GetElapsedTime(start).TotalMilliseconds, bytes));
                }
            }
            catch (OperationCanceledException)
            {
                // The block is over.
            }
        }
    }
}
