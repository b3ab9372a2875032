using Cluster.EndToEnd.Tests.Hosting;

namespace Cluster.EndToEnd.Tests.Telemetry;

/// <summary>What is seen of a cluster at work: panels with data that changes, a request's way to its batch and its weights, a step's phases.</summary>
[Collection(ProcessCollection.Hosting)]
public sealed class ObservedClusterTests(ObservedCluster cluster) : IClassFixture<ObservedCluster>
{
    /// <summary>Queries whose answer may stay as it is while all goes well, with the reason.</summary>
    private static readonly Dictionary<string, string> s_steady = new(StringComparer.Ordinal)
    {
        ["up{job=\"cluster\""] = "a process that dies may be off the list before it is asked again",
        ["cluster_store_up"] = "the store answers all the time",
        ["process:cluster_runs_free:ratio"] = "a small run changes no disk's figure",
        ["cluster_training_lanes_moved_total"] = "replicas of one machine are alike",
        ["cluster_training_lanes_lost_total"] = "a replica that dies between two steps loses none",
        ["cluster_training_tokens_lost_total"] = "none is lost or repeated, whoever dies",
        ["cluster_training_alerts_total"] = "everything could be written",
        ["dotnet_thread_pool_queue_length_total"] = "nothing waits on a quiet machine",
        ["outcome=\"kept\""] = "the same corpus twice",
        ["rate(cluster_data_tokens_total"] = "a small corpus is written between two scrapes",
        ["cluster_data_time_seconds_total{run=~\".*\", stage=\"corpus\"}"] = "one figure for each run",
        ["cluster_inference_prefix_hits_total"] = "prompts of a context of 64 fill no block",
        ["cluster_data_progress"] = "a stage may be over before it is looked at",
        ["cluster_inference_preemptions_total"] = "the cache is large enough",
        ["cluster_inference_time_to_first_token_seconds:p95_1m"] = "all first tokens may come in one bucket's time",
        ["orleans_gateway_connected_clients"] = "those who come and go do it between two scrapes",
    };

    [PrometheusFact]
    public async Task Panels_OfEveryDashboard_NamesExistAndDataChanges()
    {
        var prometheus = cluster.Prometheus!;
        // Of GPUs, where there is none, only the names can be checked: GpuInstrumentsTests.
        var queries = Directory.GetFiles(Repository.Path("infra", "grafana", "dashboards"), "*.json").Where(path => Path.GetFileName(path) != "gpu.json")
            .SelectMany(DashboardQueries.Of).ToList();
        Assert.True(queries.Count > 50, $"only {queries.Count} queries were found");
        var names = await prometheus.NamesAsync();
        var unknown = queries.SelectMany(query => DashboardQueries.Names(query.Query).Except(names).Select(name => $"{query.Panel}: {name}")).ToList();
        Assert.True(unknown.Count == 0, string.Join('\n', unknown));
        var wrong = new List<string>();
        foreach (var (panel, query) in queries)
        {
            var (count, changes) = await prometheus.LookAsync(query, cluster.Since);
            if (count == 0)
                wrong.Add($"{panel} is empty: {query}");
            else if (!changes && !s_steady.Keys.Any(steady => query.Contains(steady, StringComparison.Ordinal)))
                wrong.Add($"{panel} never changes: {query}");
        }

        Assert.True(wrong.Count == 0, string.Join('\n', wrong));
    }

    [Fact]
    public async Task Trace_OfAChat_LeadsToItsBatchItsWeightsAndItsRun()
    {
        var (trace, caller, answer) = cluster.Chat;

        var spans = await cluster.Otlp.WaitAsync(spans => spans.Any(span => span.Trace == trace && span.Name == "inference.request")
            && spans.Any(span => span.Trace == trace && span.Parent == caller)
            && Request(spans).Links.All(link => spans.Any(span => span.Id == link)));

        var request = Request(spans);
        Assert.Equal("cluster-silo", request.Service);
        Assert.Equal(("watched", "pretraining", "500", cluster.Trained.WeightsSha256), (
            request.Tags["cluster.run"], request.Tags["cluster.stage"], request.Tags["cluster.checkpoint.step"], request.Tags["cluster.weights.sha256"]));
        Assert.Equal(("chat", "watched", $"{answer.GetProperty("usage").GetProperty("completion_tokens").GetInt32()}"), (
            request.Tags["gen_ai.operation.name"], request.Tags["gen_ai.request.model"], request.Tags["gen_ai.usage.output_tokens"]));
        // From the page's process, called by whoever asked, through a call between processes.
        var way = new List<ReceivedSpan>();
        for (var at = request; at.Parent != caller; way.Add(at))
            at = Assert.Single(spans, span => span.Trace == trace && span.Id == at.Parent);
        Assert.Equal("cluster-web", way[^1].Service);
        Assert.StartsWith("POST", way[^1].Name, StringComparison.Ordinal);
        Assert.Contains(way, span => span.Scope == "Microsoft.Orleans.Application" && span.Service == "cluster-silo");
        // Batches are traces of their own, with links both ways: of eight tokens, the first step, the second, the fourth, the eighth.
        Assert.InRange(request.Links.Count, 1, 8);
        foreach (var step in request.Links.Select(link => Assert.Single(spans, span => span.Id == link)))
        {
            Assert.Equal(("inference.step", cluster.Trained.WeightsSha256), (step.Name, step.Tags["cluster.weights.sha256"]));
            Assert.True(int.Parse(step.Tags["cluster.batch.tokens"], System.Globalization.CultureInfo.InvariantCulture) > 0);
            Assert.Contains(request.Id, step.Links);
            Assert.NotEqual(trace, step.Trace);
        }

        ReceivedSpan Request(IReadOnlyList<ReceivedSpan> spans) => spans.First(span => span.Trace == trace && span.Name == "inference.request");
    }

    [Fact]
    public async Task Trace_OfAStep_HasAllReplicasAndTheirPhases()
    {
        var spans = await cluster.Otlp.WaitAsync(spans => Step(spans, ObservedCluster.StepsPerTrace).Count == 2);

        var replicas = Step(spans, ObservedCluster.StepsPerTrace);
        Assert.Single(replicas.Select(span => span.Trace).Distinct());
        Assert.Equal(["silo-1/0", "silo-2/0"], replicas.Select(span => span.Tags["cluster.replica"]).Order(StringComparer.Ordinal));
        foreach (var replica in replicas)
        {
            Assert.Equal(("watched", "pretraining"), (replica.Tags["cluster.run"], replica.Tags["cluster.stage"]));
            Assert.Equal(
                ["training.compute", "training.data", "training.optimizer", "training.reduce", "training.wait"],
                spans.Where(span => span.Parent == replica.Id).Select(span => span.Name).Where(name => name.StartsWith("training.", StringComparison.Ordinal)).Distinct().Order(StringComparer.Ordinal));
        }

        // Some steps, not all.
        Assert.All(spans.Where(span => span.Name == "training.step"), span => Assert.Equal(0, long.Parse(span.Tags["cluster.step"], System.Globalization.CultureInfo.InvariantCulture) % ObservedCluster.StepsPerTrace));
        // The cluster's own talk is nobody's trace.
        Assert.DoesNotContain(spans, span => span.Parent.Length == 0 && span.Scope.StartsWith("Microsoft.Orleans", StringComparison.Ordinal));

        static List<ReceivedSpan> Step(IReadOnlyList<ReceivedSpan> spans, int step) =>
            [.. spans.Where(span => span.Name == "training.step" && span.Tags["cluster.run"] == "watched" && span.Tags["cluster.step"] == $"{step}")];
    }

    [Fact]
    public async Task Sent_ToACollector_LogsAndMetricsToo()
    {
        await cluster.Otlp.WaitAsync(_ => cluster.Otlp.Metrics.Contains("cluster.training.loss") && cluster.Otlp.Logs.Any(log => log.Service == "cluster-silo"));

        Assert.Contains(cluster.Otlp.Logs, log => log.Service == "cluster-silo" && log.Text.StartsWith("Generation ", StringComparison.Ordinal));
        Assert.Contains("cluster.data.tokens", cluster.Otlp.Metrics);
        Assert.Contains("cluster.inference.time_to_first_token", cluster.Otlp.Metrics);
    }
}
