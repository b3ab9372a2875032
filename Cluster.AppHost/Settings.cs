// Enters: the app host's configuration. Leaves: what AppHost.cs puts into the processes. Does not know: which processes there are.

using System.Text.Json;
using Microsoft.Extensions.Configuration;

namespace Cluster.AppHost;

/// <summary>What can be asked of the app host: <c>--Silos=5</c>, <c>Silos=5</c> in the environment, or appsettings.json.</summary>
internal sealed class Settings
{
    // What containers call this machine.
    private const string Machine = "host.docker.internal";
    private const string Everywhere = "0.0.0.0", Loopback = "127.0.0.1";

    private readonly IConfiguration _configuration;
    private readonly string _folder;
    private readonly bool _publishes;

    private Settings(IConfiguration configuration, string folder, bool publishes) =>
        (_configuration, _folder, _publishes) = (configuration, folder, publishes);

    /// <summary>Those of an app host.</summary>
    /// <exception cref="InvalidOperationException">A value is of no use.</exception>
    public static Settings Of(IDistributedApplicationBuilder builder)
    {
        var settings = new Settings(builder.Configuration, builder.AppHostDirectory, builder.ExecutionContext.IsPublishMode);
        settings.WriteMetricsTargets();
        return settings;
    }

    /// <summary>Whether a container engine runs Redis, Prometheus and Grafana.</summary>
    public bool Containers => _configuration.GetValue("Containers", true);

    /// <summary>
    /// Whether there is a Redis to take, as <c>ConnectionStrings:redis</c>. Whoever deploys what is published says where it is.
    /// </summary>
    public bool HasRedis => _configuration.GetConnectionString("redis") is { Length: > 0 } || (_publishes && !Containers);

    /// <summary>Whether a store has to be run as a process.</summary>
    public bool RunsStore => !HasRedis && !Containers;

    /// <summary>Names of the silos.</summary>
    public IReadOnlyList<string> Silos => [.. Enumerable.Range(0, Number("Silos", 3, 1, 100)).Select(i => $"silo-{i}")];

    /// <summary>What every silo does, separated by commas.</summary>
    public string Roles => _configuration["Roles"] ?? "training,inference,data";

    /// <summary>Whether a silo needs a GPU: none, optional or required.</summary>
    public string Gpu => _configuration["Gpu"] ?? "optional";

    /// <summary>Folder of the runs; what is published runs in containers, where it is a volume.</summary>
    public string Runs => _publishes ? "/runs" : At(_configuration["Runs"] ?? "../runs");

    /// <summary>Port of the page and the API.</summary>
    public int WebPort => Number("WebPort", 8_080, 1, 65_535);

    /// <summary>On loopback, for nobody is asked who they are; in a container whose network says who may come, everywhere.</summary>
    public string WebAddress => _publishes ? Everywhere : Loopback;

    /// <summary>The names that the page answers to.</summary>
    public string WebHosts => _publishes ? "*" : Containers ? $"localhost;{Loopback};{Machine}" : $"localhost;{Loopback}";

    /// <summary>Where silos serve health and metrics.</summary>
    public string MetricsAddress => _publishes || Containers ? Everywhere : Loopback;

    /// <summary>Port of the store that is run where there is no container for it.</summary>
    public int StorePort => Number("StorePort", 8_099, 1, 65_535);

    /// <summary>Arguments of the run that is wanted, or null.</summary>
    public string[]? Train => _configuration["Recipe"] is not { Length: > 0 } recipe ? null :
    [
        "train", "--cluster", "--resume", "--out", Path.Combine(Runs, "aspire"),
        // A name, or a file as everywhere here.
        "--recipe", recipe.EndsWith(".json", StringComparison.Ordinal) ? At(recipe) : recipe,
        .. _configuration["Corpus"] is { Length: > 0 } corpus ? (string[])["--corpus", At(corpus)] : [],
    ];

    /// <summary>Folder of the file that tells Prometheus whom to ask.</summary>
    public string MetricsTargets => _publishes ? Path.Combine(_folder, "obj", "prometheus") : Path.Combine(Runs, ".cluster");

    /// <summary>HOST:PORT of that store.</summary>
    public string StoreAddress => $"{Loopback}:{StorePort}";

    /// <summary>Folder of that store, emptied.</summary>
    public string NewStoreData()
    {
        var folder = Path.Combine(_folder, "obj", $"store-{StorePort}");
        if (Directory.Exists(folder))
            Directory.Delete(folder, recursive: true);
        return folder;
    }

    /// <summary>Port of a silo's health and metrics.</summary>
    public int SiloPort(string name) => Number("SiloPort", 8_100, 1, 65_435) + Silos.ToList().IndexOf(name);

    /// <summary>
    /// Keeps a silo of this machine to itself: without an address it takes one that others can reach, and asks nobody who they are. One
    /// in a container takes its container's.
    /// </summary>
    public void OnLoopback(EnvironmentCallbackContext context)
    {
        if (!_publishes)
            context.EnvironmentVariables["Orleans__Endpoints__AdvertisedIPAddress"] = Loopback;
    }

    /// <summary>
    /// Aspire asks for every trace; in a cluster that trains, those are mostly calls between its grains, and the processes know better.
    /// </summary>
    public static void OwnSampler(EnvironmentCallbackContext context) => context.EnvironmentVariables.Remove("OTEL_TRACES_SAMPLER");

    /// <summary>In the file and with the labels of <c>cluster up</c>; what is published is reached by its name.</summary>
    private void WriteMetricsTargets()
    {
        var machine = _publishes ? null : Containers ? Machine : Loopback;
        Directory.CreateDirectory(MetricsTargets);
        File.WriteAllText(Path.Combine(MetricsTargets, "prometheus-targets.json"), JsonSerializer.Serialize(
            Silos.Select(name => (Name: name, Port: SiloPort(name))).Append((Name: "web", Port: WebPort)).Select(process => new
            {
                targets = new[] { $"{machine ?? process.Name}:{process.Port}" },
                labels = new { process = process.Name, node = Environment.MachineName },
            })));
    }

    private string At(string path) => Path.GetFullPath(path, _folder);

    private int Number(string key, int otherwise, int least, int most) => _configuration[key] switch
    {
        null or "" => otherwise,
        var text when int.TryParse(text, out var number) && number >= least && number <= most => number,
        var text => throw new InvalidOperationException($"{key} is \"{text}\". Give a number from {least} to {most}."),
    };
}
