// Enters: configuration (appsettings.json, the environment, --Silos=5). Leaves: the whole cluster on one machine, with its dashboards.
// Does not know: what a grain does. The processes take the same variables in Kubernetes and from `cluster up`.

using Cluster.AppHost;

var builder = DistributedApplication.CreateBuilder(args);
var settings = Settings.Of(builder);

// A Redis that runs already; or a container; or, without containers, the store of `cluster up`. Nothing in it outlives the cluster: across
// restarts the run folders alone decide.
IResourceBuilder<IResourceWithConnectionString> redis = settings.HasRedis ? builder.AddConnectionString("redis")
    : settings.Containers ? builder.AddRedis("redis")
    : builder.AddConnectionString("redis", ReferenceExpression.Create($"{settings.StoreAddress}"));
if (settings.RunsStore)
    builder.AddProject<Projects.Cluster_Cli>("store").WithArgs("store", "--port", settings.StorePort, "--data", settings.NewStoreData());
var provider = new RedisProvider(redis);
var orleans = builder.AddOrleans("cluster").WithClustering(provider).WithGrainStorage("Default", provider).WithReminders(provider);

// Not replicas of one resource: they would share a name, and a replica of the model is placed on a silo by its name.
var silos = settings.Silos.Select(name => builder.AddProject<Projects.Cluster_Silo>(name)
    .WithReference(orleans)
    .WithEnvironment(settings.OnLoopback)
    .WithEnvironment(Settings.OwnSampler)
    .WaitFor(redis)
    .WithHttpEndpoint(port: settings.SiloPort(name), env: "Cluster__HttpPort", isProxied: false)
    .WithHttpHealthCheck("/health")
    // On loopback it answers to no name but this machine's own, and Prometheus asks by another.
    .WithEnvironment("Cluster__HttpAddress", settings.MetricsAddress)
    .WithEnvironment("Cluster__SiloName", name)
    .WithEnvironment("Cluster__Roles", settings.Roles)
    .WithEnvironment("Cluster__Gpu", settings.Gpu)
    .WithEnvironment("Cluster__RunsPath", settings.Runs)).ToList();

builder.AddProject<Projects.Cluster_Web>("web")
    .WithReference(orleans.AsClient())
    .WithEnvironment(Settings.OwnSampler)
    .WaitFor(redis)
    .WithHttpEndpoint(port: settings.WebPort, env: "Cluster__WebPort", isProxied: false)
    .WithHttpHealthCheck("/health")
    .WithEnvironment("Cluster__WebAddress", settings.WebAddress)
    .WithEnvironment("AllowedHosts", settings.WebHosts);

// A run to begin or to go on with; it finds the cluster by the same variables, and ends when the run does.
if (settings.Train is { } train)
{
    var run = builder.AddProject<Projects.Cluster_Cli>("train")
        .WithReference(orleans.AsClient())
        .WithEnvironment(Settings.OwnSampler)
        .WithArgs(train);
    silos.ForEach(silo => run.WaitFor(silo));
}

if (settings.Containers)
{
    // It asks those that a file names, as infra/prometheus/prometheus.yml says and `cluster up` does.
    var prometheus = builder.AddContainer("prometheus", "docker.io/prom/prometheus", "v3.5.0")
        .WithBindMount("../infra/prometheus", "/etc/prometheus", isReadOnly: true)
        .WithBindMount(settings.MetricsTargets, "/runs/.cluster", isReadOnly: true)
        .WithHttpEndpoint(targetPort: 9_090);

    builder.AddContainer("grafana", "docker.io/grafana/grafana", "12.1.0")
        .WithBindMount("../infra/grafana/provisioning", "/etc/grafana/provisioning", isReadOnly: true)
        .WithBindMount("../infra/grafana/dashboards", "/var/lib/grafana/dashboards", isReadOnly: true)
        .WithEnvironment("DASHBOARDS", "/var/lib/grafana/dashboards")
        .WithEnvironment("PROMETHEUS_URL", prometheus.GetEndpoint("http"))
        .WithHttpEndpoint(targetPort: 3_000);
}

builder.Build().Run();
