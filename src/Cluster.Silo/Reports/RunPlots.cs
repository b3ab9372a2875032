// Enters: metrics and the recipe's schedule. Leaves: the report's plots, drawn. Does not know: files.

using System.Globalization;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;

namespace Cluster.Silo.Reports;

/// <summary>A plot of the report.</summary>
/// <param name="Name">File name without ending.</param>
/// <param name="Title">Heading over it.</param>
/// <param name="Caption">What is to be seen.</param>
/// <param name="Png">The picture.</param>
internal sealed record ReportPlot(string Name, string Title, string Caption, byte[] Png);

/// <summary>Which plots a run has: one per figure that its metrics hold.</summary>
internal static class RunPlots
{
    /// <summary>The plots in the report's order; none where nothing was trained.</summary>
    public static IReadOnlyList<ReportPlot> Draw(Recipe recipe, IReadOnlyList<MetricPoint> metrics)
    {
        var plots = new[]
        {
            Loss("loss", "Loss of pre-training", StageNames.Pretraining, "nats per token"),
            Single("learning_rate", "Learning rate", "learning rate", fromZero: true, smooth: false, point => point.LearningRate),
            Single("throughput", "Throughput", "tokens per second", fromZero: true, smooth: true, point => point.TokensPerSecond),
            Single("gradient_norm", "Gradient norm", "gradient norm before clipping", fromZero: true, smooth: true, point => point.GradientNorm),
            Loss("fine_tuning_loss", "Loss of fine-tuning", StageNames.FineTuning, "nats per token of the assistant"),
        };
        return [.. plots.OfType<ReportPlot>()];

        ReportPlot? Loss(string name, string title, string stage, string unit)
        {
            var training = Curve.Of(metrics, stage, point => point.Loss);
            var validation = Curve.Of(metrics, stage, point => point.ValidationLoss);
            if (training.Count + validation.Count == 0)
                return null;
            var chart = new Chart($"loss, {unit}", fromZero: false);
            Smoothed(chart, training, "training");
            chart.Line(validation, "validation", Chart.Orange, markers: true);
            if (stage == StageNames.Pretraining)
                MarkPhases(chart, training.Count > 0 ? training : validation);
            return new ReportPlot(name, title, $"Training and validation loss over the steps of the stage, in {unit}.", chart.Png());
        }

        ReportPlot? Single(string name, string title, string axis, bool fromZero, bool smooth, Func<MetricPoint, double?> figure)
        {
            var curve = Curve.Of(metrics, StageNames.Pretraining, figure);
            if (curve.Count == 0)
                return null;
            var chart = new Chart(axis, fromZero);
            if (smooth)
                Smoothed(chart, curve, axis);
            else
                chart.Line(curve, axis, Chart.Blue);
            MarkPhases(chart, curve);
            return new ReportPlot(name, title, $"{title} over the steps of pre-training.", chart.Png());
        }

        void MarkPhases(Chart chart, Curve curve)
        {
            var schedule = new Schedule(recipe);
            for (var phase = 1; phase < recipe.Phases.Count; phase++)
            {
                var (start, end) = schedule.PhaseSteps(phase);
                if (start < end && start > 0 && start < curve.Steps[^1])
                    chart.Mark(start + 0.5, recipe.Phases[phase].Name.Replace('_', ' '));
            }
        }
    }

    private static void Smoothed(Chart chart, Curve curve, string name)
    {
        if (curve.SmoothingReach == 0)
        {
            chart.Line(curve, name, Chart.Blue);
            return;
        }

        chart.Line(curve, $"{name}, as measured", Chart.Blue, faint: true);
        chart.Line(curve.Smoothed(), string.Create(CultureInfo.InvariantCulture, $"{name}, mean of {2 * curve.SmoothingReach + 1}"), Chart.Blue);
    }
}
