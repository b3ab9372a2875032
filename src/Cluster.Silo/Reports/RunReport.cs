// Enters: what a run wrote down. Leaves: its report, plots and cards as files of the run folder. Does not know: how a run is made.

using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Files;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;

namespace Cluster.Silo.Reports;

/// <summary>The run folder's report for people.</summary>
public static class RunReport
{
    /// <summary>
    /// Writes report.md, plots/*.png, model_card.md and data_card.md into the run folder, each whole or not at all. The same arguments
    /// give the same bytes: no clock is read.
    /// </summary>
    /// <param name="folder">Where; plots first, so that the report never shows one that is not there.</param>
    /// <param name="summary">The run's figures.</param>
    /// <param name="metrics">All stages' points, as written; a repeated step counts once, by its last point.</param>
    /// <param name="samples">Texts written in training, in the order of time.</param>
    /// <param name="heldOut">Prompt: the question; Text: the model's reply; Expected: the true text.</param>
    /// <param name="corpus">The curation's figures, or null where they are not at hand.</param>
    /// <exception cref="UserErrorException">A file cannot be written; what was there is unharmed.</exception>
    public static void Write(
        RunFolder folder, RunSummary summary, IReadOnlyList<MetricPoint> metrics, IReadOnlyList<Sample> samples,
        IReadOnlyList<Sample> heldOut, CorpusReport? corpus)
    {
        var plots = RunPlots.Draw(summary.Recipe, metrics);
        foreach (var plot in plots)
            AtomicWrite.AllBytes(folder.Plot(plot.Name), plot.Png);
        Text(folder.ModelCard, ModelCard.Compose(summary, corpus));
        Text(folder.DataCard, DataCard.Compose(summary, corpus));
        Text(folder.Report, ReportPage.Compose(folder, summary, metrics, plots, samples, heldOut, corpus));
    }

    private static void Text(string path, string text) => AtomicWrite.AllBytes(path, Encoding.UTF8.GetBytes(text));
}
