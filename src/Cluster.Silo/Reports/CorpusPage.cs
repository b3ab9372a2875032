// Enters: a finished corpus' figures. Leaves: its page, one file that needs no other. Does not know: how a corpus is made.

using System.Globalization;
using System.Net;
using System.Text;
using Cluster.Core.Files;
using Cluster.Data.Corpus.Pipeline;

namespace Cluster.Silo.Reports;

/// <summary>The page of a corpus: funnel, reasons, lengths, sources, languages, quality, duplicates, contamination, mix, what could not be read.</summary>
public static class CorpusPage
{
    private const int MostBars = 24;

    /// <summary>Writes report.html into the folder, whole or not at all. The same corpus gives the same page: no clock is read.</summary>
    /// <exception cref="Core.Errors.UserErrorException">The file cannot be written; what was there is unharmed.</exception>
    public static void Write(CorpusFolder folder, CorpusSummary summary) => AtomicWrite.AllBytes(folder.Report, Encoding.UTF8.GetBytes(Compose(summary)));

    internal static string Compose(CorpusSummary summary)
    {
        var statistics = summary.Statistics;
        var page = new StringBuilder();
        page.Append(CultureInfo.InvariantCulture, $$"""
            <!doctype html><html lang="en"><head><meta charset="utf-8"><title>Corpus {{Text(summary.Name)}}</title><style>
            body{font:15px/1.5 sans-serif;color:#333;max-width:920px;margin:2em auto;padding:0 1em}table{border-collapse:collapse;margin:1em 0}
            td,th{padding:.2em .8em;text-align:left;border-bottom:1px solid #ebebeb;vertical-align:top}.n{text-align:right;white-space:nowrap}img{max-width:100%}code{font-size:13px}
            </style></head><body><h1>Corpus {{Text(summary.Name)}}</h1>

            """);
        var read = statistics.Stages[0];
        page.Append(CultureInfo.InvariantCulture, $"<p>{Figures.Count(read.In)} documents ({Figures.Bytes(read.BytesIn)} of text) were read, "
            + $"{Figures.Count(summary.Documents)} ({Figures.Bytes(Kept(statistics))}) are in the corpus, from {Figures.Count(summary.Partitions)} partitions. Of the input {Figures.Percent(summary.FailedShare)} could not be read.</p>\n"
            + $"<p>Recipe <code>{summary.RecipeSha256}</code><br>corpus <code>{summary.CorpusSha256}</code></p>\n");

        Heading(page, "Funnel", "Documents that enter each stage, and those that leave it.");
        Picture(page, "Documents after each stage", BarChart.Rows([.. statistics.Stages.Select(stage => (stage.Name, (double)stage.In, (double)stage.Out))], "documents in (pale) and out"));
        Table(page, ["stage", ">in", ">out", ">kept", "dropped, by rule"], statistics.Stages.Select(stage => (string[])
        [
            stage.Name, Figures.Count(stage.In), Figures.Count(stage.Out), stage.In == 0 ? Figures.None : Figures.Percent(stage.Out / (double)stage.In),
            string.Join(", ", stage.Dropped.OrderByDescending(drop => drop.Value).ThenBy(drop => drop.Key, StringComparer.Ordinal).Select(drop => $"{drop.Key} {Figures.Count(drop.Value)}")),
        ]));

        Flows(page, "Sources", statistics.Sources);
        Table(page, ["source", "what", ">files", ">bytes", ">not to be had", "passed over"], summary.Sources.Select(source => (string[])
        [
            source.Name, source.Description, Figures.Count(source.Files), Figures.Bytes(source.Bytes), Figures.Count(source.Failures),
            string.Join(", ", source.PassedOver.Select(pair => $"{pair.Key} {Figures.Count(pair.Value)}")),
        ]));
        Flows(page, "Languages", statistics.Languages);

        Heading(page, "Lengths", "Documents in the corpus by their length in characters, each bar twice as long as the one before.");
        if (statistics.Lengths.Count > 0)
        {
            var (low, high) = (statistics.Lengths.Keys.Min(), statistics.Lengths.Keys.Max());
            Picture(page, "Documents by length", BarChart.Columns(
                [.. Enumerable.Range(low, high - low + 1).Select(bits => (Figures.Count(1L << bits), (double)(statistics.Lengths.GetValueOrDefault(bits)?.Out ?? 0)))],
                "characters, at least", "documents"));
        }

        Heading(page, "Quality", "Documents in the corpus by the quality that the recipe's stages gave them, 0 to 1; annealing reads the best tenth.");
        Picture(page, "Documents by quality", BarChart.Columns(
            [.. statistics.Quality.Select((count, i) => ((i / (double)CorpusStatistics.QualityBins).ToString("0.00", CultureInfo.InvariantCulture), (double)count))],
            "quality, at least", "documents"));

        if (summary.Exact is not null || summary.Near is not null || summary.Embeddings is not null || summary.Units is not null)
        {
            Heading(page, "Duplicates", "Of a group of equal or nearly equal documents one stays: the better, then the longer, then the earlier.");
            var rows = new List<string[]>();
            if (summary.Exact is { } exact)
                rows.Add(["equal documents", Figures.Count(exact.Units), Figures.Count(exact.Groups), Figures.None, Figures.Count(exact.Dropped)]);
            if (summary.Near is { } near)
                rows.Add(["near-duplicates", Figures.Count(near.Documents), Figures.Count(near.Clusters), Figures.Count(near.LargestCluster), Figures.Count(near.Dropped)]);
            if (summary.Embeddings is { } embedded)
            {
                rows.Add(
                [
                    "near by embedding", Figures.Count(embedded.Documents), Figures.Count(embedded.Clusters), Figures.Count(embedded.LargestCluster),
                    Figures.Count(embedded.Dropped),
                ]);
            }

            if (summary.Units is { } units)
                rows.Add(["repeated parts", Figures.Count(units.Units), Figures.Count(units.Groups), Figures.None, Figures.Count(units.Dropped)]);
            Table(page, ["what", ">compared", ">groups", ">largest", ">dropped"], rows);
        }

        if (summary.Contamination is { } contamination)
        {
            Heading(page, "Evaluation sets", "How much of each set the sources have, before anything was done about it.");
            Table(page, ["set", ">items", ">items with any n-gram", ">documents that have one", ">share"], contamination.Select(set => (string[])
                [set.Set, Figures.Count(set.Items), Figures.Count(set.ItemsWithAny), Figures.Count(set.Documents), Figures.Percent(set.Share)]));
        }

        if (summary.Mix is { } mix)
        {
            Heading(page, "Mix", "Shares of the bytes, asked for and got.");
            Table(page, ["domain", ">asked", ">got", ">bytes at hand", ">bytes taken", ">passes"], mix.Select(domain => (string[])
            [
                domain.Domain, Figures.Percent(domain.AskedShare), Figures.Percent(domain.GotShare), Figures.Bytes(domain.AvailableBytes),
                Figures.Bytes(domain.GotBytes), Figures.Setting(Math.Round(domain.Passes, 3)),
            ]));
        }

        if (statistics.Failures.Count > 0)
        {
            Heading(page, "What could not be read", "Skipped and counted.");
            Table(page, ["reason", ">items", ">bytes"], statistics.Failures.Select(failure => (string[])[failure.Key, Figures.Count(failure.Value.Items), Figures.Bytes(failure.Value.Bytes)]));
            page.Append("<ul>");
            foreach (var example in summary.FailureExamples)
                page.Append("<li>").Append(Text(example)).Append("</li>");
            page.Append("</ul>\n");
        }

        return page.Append("</body></html>\n").ToString();
    }

    private static long Kept(CorpusStatistics statistics) => statistics.Sources.Values.Sum(flow => flow.BytesOut);

    private static void Flows(StringBuilder page, string title, SortedDictionary<string, FlowCounts> flows)
    {
        Heading(page, title, "Bytes read, and bytes in the corpus.");
        var rows = flows.OrderByDescending(flow => flow.Value.BytesIn).ThenBy(flow => flow.Key, StringComparer.Ordinal).Take(MostBars)
            .Select(flow => (flow.Key, flow.Value.BytesIn / 1e6, flow.Value.BytesOut / 1e6)).ToList();
        Picture(page, title, BarChart.Rows(rows, "MB read (pale) and kept"));
    }

    private static void Heading(StringBuilder page, string title, string caption) =>
        page.Append(CultureInfo.InvariantCulture, $"<h2>{Text(title)}</h2>\n<p>{Text(caption)}</p>\n");

    private static void Picture(StringBuilder page, string title, byte[] png) =>
        page.Append(CultureInfo.InvariantCulture, $"<p><img alt=\"{Text(title)}\" src=\"data:image/png;base64,{Convert.ToBase64String(png)}\"></p>\n");

    private static void Table(StringBuilder page, string[] headings, IEnumerable<string[]> rows)
    {
        page.Append("<table><tr>");
        foreach (var heading in headings)
            page.Append(heading.StartsWith('>') ? "<th class=n>" : "<th>").Append(Text(heading.TrimStart('>'))).Append("</th>");
        page.Append("</tr>\n");
        foreach (var row in rows)
        {
            page.Append("<tr>");
            for (var i = 0; i < row.Length; i++)
                page.Append(headings[i].StartsWith('>') ? "<td class=n>" : "<td>").Append(Text(row[i])).Append("</td>");
            page.Append("</tr>\n");
        }

        page.Append("</table>\n");
    }

    private static string Text(string text) => WebUtility.HtmlEncode(text);
}
