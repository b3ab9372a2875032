// Enters: workers' figures. Leaves: lines of Prometheus' text format under vLLM's names, which hold a colon, as no instrument of
// OpenTelemetry's may. Does not know: who asks for them, where workers are.
using System.Globalization;
using System.Text;
using Cluster.Contracts.Inference;
using Cluster.Contracts.Training;

namespace Cluster.Web.Api.OpenAi;

/// <summary>Shows serving as vLLM does, so that its dashboards and load tools read it.</summary>
internal static class VllmMetrics
{
    private const string Gauge = "gauge", Counter = "counter", Histogram = "histogram";

    private static readonly Dictionary<string, string> s_reasons = new(StringComparer.Ordinal)
    {
        ["stop"] = "stop",
        ["length"] = "length",
        ["context"] = "length",
        ["cancelled"] = "abort",
        ["deadline"] = "abort",
        ["failed"] = "error",
    };

    /// <summary>The lines.</summary>
    /// <param name="workers">Figures by the workers' keys.</param>
    /// <param name="openMetrics">Whether the format is OpenMetrics, where a counter's type names it without its ending.</param>
    public static string Write(IReadOnlyDictionary<string, WorkerFigures> workers, bool openMetrics)
    {
        var text = new StringBuilder();
        var sorted = workers.OrderBy(worker => worker.Key, StringComparer.Ordinal).Select(worker => (Labels: Labels(worker.Key), worker.Value)).ToList();
        Single("num_requests_running", Gauge, figures => figures.Running);
        Single("num_requests_waiting", Gauge, figures => figures.Waiting);
        Single("kv_cache_usage_perc", Gauge, figures => figures.CacheUse);
        Single("prefix_cache_queries", Counter, figures => figures.PrefixQueriedTokens);
        Single("prefix_cache_hits", Counter, figures => figures.PrefixHitTokens);
        Single("num_preemptions", Counter, figures => figures.Preemptions);
        Single("prompt_tokens", Counter, figures => figures.PromptTokens);
        Single("generation_tokens", Counter, figures => figures.GenerationTokens);
        Begin("request_success", Counter);
        foreach (var (labels, figures) in sorted)
        {
            foreach (var reason in s_reasons.Values.Distinct(StringComparer.Ordinal))
            {
                var count = figures.Finished.Where(pair => s_reasons.GetValueOrDefault(pair.Key) == reason).Sum(pair => pair.Value);
                Sample("request_success_total", $"{labels},finished_reason=\"{reason}\"", count);
            }
        }

        Times("request_queue_time_seconds", figures => figures.QueueTime);
        Times("time_to_first_token_seconds", figures => figures.TimeToFirstToken);
        Times("inter_token_latency_seconds", figures => figures.InterTokenLatency);
        Times("e2e_request_latency_seconds", figures => figures.EndToEndLatency);
        return text.ToString();

        void Begin(string name, string type) =>
            text.Append(CultureInfo.InvariantCulture, $"# TYPE vllm:{name}{(type == Counter && !openMetrics ? "_total" : "")} {type}\n");

        void Sample(string name, string labels, double value) => text.Append(CultureInfo.InvariantCulture, $"vllm:{name}{{{labels}}} {value:R}\n");

        void Single(string name, string type, Func<WorkerFigures, double> value)
        {
            Begin(name, type);
            foreach (var (labels, figures) in sorted)
                Sample(type == Counter ? $"{name}_total" : name, labels, value(figures));
        }

        void Times(string name, Func<WorkerFigures, LatencyFigures> value)
        {
            Begin(name, Histogram);
            foreach (var (labels, figures) in sorted)
            {
                var times = value(figures);
                var count = 0L;
                for (var i = 0; i < times.Bounds.Count; i++)
                {
                    count += times.Counts[i];
                    Sample($"{name}_bucket", string.Create(CultureInfo.InvariantCulture, $"{labels},le=\"{times.Bounds[i]:R}\""), count);
                }

                count = times.Counts.Sum();
                Sample($"{name}_bucket", $"{labels},le=\"+Inf\"", count);
                Sample($"{name}_sum", labels, times.Sum);
                Sample($"{name}_count", labels, count);
            }
        }
    }

    private static string Labels(string key)
    {
        var worker = ReplicaKey.Parse(key);
        return $"model_name=\"{Escaped(worker.Run)}\",engine=\"{Escaped(worker.Silo)}/{worker.Slot}\"";
    }

    private static string Escaped(string value) =>
        value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal);
}
