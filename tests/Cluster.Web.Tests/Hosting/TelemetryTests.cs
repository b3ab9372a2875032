using System.Net;
using Cluster.Core.Runs;
using Cluster.Silo.Training;
using Microsoft.Extensions.DependencyInjection;

namespace Cluster.Web.Tests.Hosting;

[Collection(LiveClusterCollection.Name)]
public class TelemetryTests(LiveCluster cluster)
{
    [Fact]
    public async Task Metrics_AfterRecord_PrometheusTextNamesRunAndStage()
    {
        var instruments = cluster.Services.GetRequiredService<TrainingInstruments>();
        instruments.Record("seen", new MetricPoint
        {
            Stage = StageNames.Pretraining,
            Step = 7,
            Seconds = 3,
            Tokens = 28_672,
            Loss = 4.25,
            LearningRate = 0.5,
            GradientNorm = 1.5,
        });
        instruments.Record("seen", new MetricPoint { Stage = StageNames.Pretraining, Step = 7, Seconds = 3, Tokens = 28_672, ValidationLoss = 4.5 });

        var text = await cluster.Http.GetStringAsync("/metrics");

        string[] expected =
        [
            "cluster_training_loss 4.25", "cluster_training_validation_loss 4.5", "cluster_training_learning_rate 0.5",
            "cluster_training_gradient_norm 1.5", "cluster_training_tokens_total 28672", "cluster_training_steps_total 7",
        ];
        var lines = text.Split('\n').Where(line => line.Contains("run=\"seen\"", StringComparison.Ordinal) && !line.Contains("_age_", StringComparison.Ordinal)).ToList();
        Assert.All(lines, line => Assert.Contains("stage=\"pretraining\"", line, StringComparison.Ordinal));
        Assert.Equal(expected.Order(StringComparer.Ordinal), lines.Select(WithoutTags).Order(StringComparer.Ordinal));
        Assert.Contains("orleans_", text, StringComparison.Ordinal);
        Assert.Contains("dotnet_", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Probes_ClusterAnswers_BothAreWell()
    {
        Assert.StartsWith("Healthy", await cluster.Http.GetStringAsync("/health"), StringComparison.Ordinal);
        Assert.Equal("Healthy", await cluster.Http.GetStringAsync("/alive"));
    }

    /// <summary>Name and value of a sample line.</summary>
    private static string WithoutTags(string line)
    {
        var value = line[(line.LastIndexOf('}') + 1)..].Trim().Split(' ')[0];
        return $"{line[..line.IndexOf('{')]} {value}";
    }
}
