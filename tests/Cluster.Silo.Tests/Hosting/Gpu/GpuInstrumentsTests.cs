using System.Diagnostics.Metrics;
using System.Text.Json;
using System.Text.RegularExpressions;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Cluster.Silo.Hosting.Gpu;
using Cluster.Silo.Tests.Training;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Cluster.Silo.Tests.Hosting.Gpu;

public sealed partial class GpuInstrumentsTests : IDisposable
{
    private readonly Meters _meters = new();
    private readonly Training.ManualTime _time = new();

    public void Dispose()
    {
        (FakeNvml.InitResult, FakeNvml.Count) = (0, 2);
        _meters.Dispose();
    }

    [Fact]
    public void Observe_TwoGpus_EveryFigureThatADeviceGives()
    {
        _ = new GpuInstruments(_meters.Factory, _time, Nvml.Load(FakeNvml.Find));

        Assert.Equal(
            [
                "hw.gpu.memory.limit GPU-1 H100 gpu 85899345920", "hw.gpu.memory.limit GPU-2 H100 gpu 85899345920",
                "hw.gpu.memory.usage GPU-1 H100 gpu 21474836480", "hw.gpu.memory.usage GPU-2 H100 gpu 21474836480",
                "hw.gpu.memory.utilization GPU-1 H100 gpu 0.25", "hw.gpu.memory.utilization GPU-2 H100 gpu 0.25",
                "hw.gpu.utilization GPU-1 H100 gpu 0.25", "hw.gpu.utilization GPU-2 H100 gpu 0.5",
                "hw.power GPU-1 H100 gpu 350.5",
                "hw.temperature GPU-1 H100 gpu 41", "hw.temperature GPU-2 H100 gpu 42",
            ],
            _meters.Observe());
    }

    [Fact]
    public void Observe_OneScrape_LooksAtTheDevicesOnce()
    {
        var gpus = new Counted();
        _ = new GpuInstruments(_meters.Factory, _time, gpus);

        _meters.Observe();
        Assert.Equal(1, gpus.Reads);
        _time.Pass(1);
        _meters.Observe();
        Assert.Equal(2, gpus.Reads);
    }

    [Fact]
    public void Observe_NoLibraryOrNoDevice_NoInstruments()
    {
        _ = new GpuInstruments(_meters.Factory, _time, Nvml.Load(_ => 0));
        FakeNvml.Count = 0;
        _ = new GpuInstruments(_meters.Factory, _time, Nvml.Load(FakeNvml.Find));
        FakeNvml.InitResult = 9; // NVML_ERROR_DRIVER_NOT_LOADED
        Assert.Null(Nvml.Load(FakeNvml.Find));

        Assert.Empty(_meters.Observe());
    }

    [Fact]
    public void Check_GpuAskedFor_OnlyWhereThereIsOne()
    {
        GpuInstruments.Check(Configuration("required"), Nvml.Load(FakeNvml.Find));
        GpuInstruments.Check(Configuration("optional"), null);
        GpuInstruments.Check(Configuration(""), null);
        FakeNvml.Count = 0;

        Assert.StartsWith(
            "Cluster:Gpu is \"required\", and the driver shows no GPU.",
            Assert.Throws<UserErrorException>(() => GpuInstruments.Check(Configuration("required"), Nvml.Load(FakeNvml.Find))).Message, StringComparison.Ordinal);
        Assert.StartsWith(
            "Cluster:Gpu is \"required\", and NVIDIA's driver is not here or does not answer. Start the silo where there is one",
            Assert.Throws<UserErrorException>(() => GpuInstruments.Check(Configuration("required"), null)).Message, StringComparison.Ordinal);
        Assert.Equal(
            "Cluster:Gpu is \"two\". Give required or optional.", Assert.Throws<UserErrorException>(() => GpuInstruments.Check(Configuration("two"), null)).Message);
    }

    [Fact]
    public async Task Dashboard_Queries_NameWhatPrometheusIsShown()
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.AddServiceDefaults();
        using var socket = HttpSocket.TakeFirstFree(System.Net.IPAddress.Loopback, Enumerable.Range(Ports.Free(), 50))!;
        using var host = builder.Build();
        _ = new GpuInstruments(host.Services.GetRequiredService<IMeterFactory>(), _time, Nvml.Load(FakeNvml.Find));
        await using var probes = await ProbeServer.StartAsync(socket, host.Services);
        using var http = new HttpClient { BaseAddress = socket.Address };

        var shown = (await http.GetStringAsync("/metrics")).Split('\n').Select(line => line.Split('{', ' ')[0]).ToHashSet(StringComparer.Ordinal);

        using var dashboard = JsonDocument.Parse(await File.ReadAllTextAsync(Path.Combine(Root(), "infra", "grafana", "dashboards", "gpu.json")));
        var asked = dashboard.RootElement.GetProperty("panels").EnumerateArray().SelectMany(panel => panel.GetProperty("targets").EnumerateArray())
            .SelectMany(target => Name().Matches(target.GetProperty("expr").GetString()!).Select(match => match.Value)).ToHashSet(StringComparer.Ordinal);
        Assert.Equal(6, asked.Count);
        Assert.Empty(asked.Except(shown));
    }

    private static IConfiguration Configuration(string gpu) => new ConfigurationBuilder().AddInMemoryCollection([new("Cluster:Gpu", gpu)]).Build();

    private static string Root()
    {
        var folder = AppContext.BaseDirectory;
        while (!File.Exists(Path.Combine(folder, "Cluster.sln")))
            folder = Path.GetDirectoryName(folder) ?? throw new DirectoryNotFoundException("no Cluster.sln above the test's output");
        return folder;
    }

    [GeneratedRegex(@"\bhw_\w+(?=\{)")]
    private static partial Regex Name();

    private sealed class Counted : IGpus
    {
        public int Count => 1;

        public int Reads { get; private set; }

        public IReadOnlyList<GpuFigures> Read()
        {
            Reads++;
            return [new GpuFigures("GPU", "name", 0, 0, 1, 0, 0)];
        }
    }
}
