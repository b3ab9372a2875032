// Enters: configuration (appsettings.json, the environment, --Silos=5). Leaves: the whole cluster on one machine, with its dashboards.
// Does not know: what a grain does. The processes take the same variables in Kubernetes and from `cluster up`.

using System.Globalization;
using System.Text.Json;

const int webPort = 8_080, firstSiloPort = 8_100;
// What containers call this machine.
const string machine = "host.docker.internal";

var builder = DistributedApplication.CreateBuilder(args);
var configuration = builder.Configuration;
var runs = Path.GetFullPath(configuration["Runs"] ?? "../runs", builder.AppHostDirectory);
var silos = Enumerable.Range(0, int.Parse(configuration["Silos"] ?? "3", CultureInfo.InvariantCulture)).Select(i => (Name: $"silo-{i}", Port: firstSiloPort + i)).ToArray();

// Nothing in it outlives the cluster: across restarts the run folders alone decide.
var redis = builder.AddRedis("redis");
var orleans = builder.AddOrleans("cluster").WithClustering(redis).WithGrainStorage("Default", redis).WithReminders(redis);

// Not replicas of one resource: they would share a name, and a replica of the model is placed on a silo by its name.
IResourceBuilder<ProjectResource>? silo = null;
foreach (var (name, port) in silos)
{
    silo = builder.AddProject<Projects.Cluster_Silo>(name)
        .WithReference(orleans)
        .WaitFor(redis)
        .WithHttpEndpoint(port: port, env: "Cluster__HttpPort")
        .WithHttpHealthCheck("/health")
        // On loopback it answers to no name but this machine's own, and Prometheus asks by another.
        .WithEnvironment("Cluster__HttpAddress", "0.0.0.0")
        .WithEnvironment("Cluster__SiloName", name)
        .WithEnvironment("Cluster__Roles", configuration["Roles"] ?? "training,inference,data")
        .WithEnvironment("Cluster__Gpu", configuration["Gpu"] ?? "optional")
        .WithEnvironment("Cluster__RunsPath", runs);
}

builder.AddProject<Projects.Cluster_Web>("web")
    .WithReference(orleans.AsClient())
    .WaitFor(redis)
    .WithHttpEndpoint(port: webPort, env: "Cluster__WebPort")
    .WithHttpHealthCheck("/health")
    .WithEnvironment("AllowedHosts", $"localhost;127.0.0.1;{machine}");

// A run to begin with; it finds the cluster by the same variables, and ends when the run does.
if (silo is not null && configuration["Recipe"] is { Length: > 0 } recipe)
{
    builder.AddProject<Projects.Cluster_Cli>("train")
        .WithReference(orleans.AsClient())
        .WaitFor(silo)
        .WithArgs("train", "--recipe", recipe, "--cluster", "--out", Path.Combine(runs, "aspire"));
}

// Whom Prometheus asks, in the file and with the labels that `cluster up` writes for infra/prometheus/prometheus.yml.
var targets = Directory.CreateDirectory(Path.Combine(builder.AppHostDirectory, "obj", "prometheus")).FullName;
File.WriteAllText(Path.Combine(targets, "prometheus-targets.json"), JsonSerializer.Serialize(silos.Append((Name: "web", Port: webPort))
    .Select(process => new { targets = new[] { $"{machine}:{process.Port}" }, labels = new { process = process.Name, node = Environment.MachineName } })));
var prometheus = builder.AddContainer("prometheus", "docker.io/prom/prometheus", "v3.5.0")
    .WithBindMount("../infra/prometheus", "/etc/prometheus", isReadOnly: true)
    .WithBindMount(targets, "/runs/.cluster", isReadOnly: true)
    .WithHttpEndpoint(targetPort: 9_090);

builder.AddContainer("grafana", "docker.io/grafana/grafana", "12.1.0")
    .WithBindMount("../infra/grafana/provisioning", "/etc/grafana/provisioning", isReadOnly: true)
    .WithBindMount("../infra/grafana/dashboards", "/var/lib/grafana/dashboards", isReadOnly: true)
    .WithEnvironment("DASHBOARDS", "/var/lib/grafana/dashboards")
    .WithEnvironment("PROMETHEUS_URL", prometheus.GetEndpoint("http"))
    .WithHttpEndpoint(targetPort: 3_000);

builder.Build().Run();
