using System.Diagnostics;
using Cluster.Core.Runs;
using Cluster.Web.Tests.Hosting;

namespace Cluster.Web.Tests.Pages;

[Collection(LiveClusterCollection.Name)]
public class RenderedPageTests(LiveCluster cluster)
{
    [ChromiumFact]
    public async Task Page_RunWithHostileSample_FiguresCurvesAndTextOnly()
    {
        string[] metrics =
        [
            RunJson.Line(new MetricPoint { Stage = StageNames.Pretraining, Step = 1, Seconds = 1, Tokens = 4_096, Loss = 9.125, LearningRate = 1e-4, TokensPerSecond = 8_000 }),
            RunJson.Line(new MetricPoint { Stage = StageNames.Pretraining, Step = 2, Seconds = 2, Tokens = 8_192, Loss = 8.25, LearningRate = 2e-4, TokensPerSecond = 8_500 }),
            RunJson.Line(new MetricPoint { Stage = StageNames.Pretraining, Step = 2, Seconds = 2, Tokens = 8_192, ValidationLoss = 8.5 }),
        ];
        var sample = RunJson.Line(new Sample(StageNames.Pretraining, 2, 2, "The", " <img id=planted src=x onerror=\"document.title='planted'\">"));
        await cluster.ReportAsync("rendered", metrics, [sample]);

        var dom = await DumpAsync("#rendered");

        Assert.Contains("""<h1 id="name">rendered</h1>""", dom, StringComparison.Ordinal);
        Assert.Contains("""<dd id="loss">8.250</dd>""", dom, StringComparison.Ordinal);
        Assert.Contains("""<dd id="validation">8.500</dd>""", dom, StringComparison.Ordinal);
        Assert.Contains("""<dd id="speed">8,500</dd>""", dom, StringComparison.Ordinal);
        Assert.Contains("""<dd id="rate">2.00e−4</dd>""", dom, StringComparison.Ordinal);
        Assert.Contains("""<dd id="step">2 of 120</dd>""", dom, StringComparison.Ordinal);
        Assert.Contains("aria-valuenow=\"25\"", dom, StringComparison.Ordinal);
        Assert.Equal(3, dom.Split("<canvas").Length - 1);
        Assert.Contains("&lt;img id=planted", dom, StringComparison.Ordinal);
        Assert.DoesNotContain("<img", dom, StringComparison.Ordinal);
        Assert.Contains("<title>rendered, Pre-training 25 % – Cluster</title>", dom, StringComparison.Ordinal);
    }

    /// <summary>The page's elements after a few seconds of its own time.</summary>
    private async Task<string> DumpAsync(string path)
    {
        var profile = Directory.CreateTempSubdirectory("cluster-chromium");
        try
        {
            using var browser = Process.Start(new ProcessStartInfo(ChromiumFactAttribute.Browser!,
            [
                "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", $"--user-data-dir={profile.FullName}", "--virtual-time-budget=3000",
                "--dump-dom", new Uri(cluster.Http.BaseAddress!, path).AbsoluteUri,
            ])
            { RedirectStandardOutput = true, RedirectStandardError = true })!;
            using var limit = new CancellationTokenSource(TimeSpan.FromMinutes(2));
            using var end = limit.Token.Register(() => browser.Kill(entireProcessTree: true));
            var errors = browser.StandardError.ReadToEndAsync();
            var dom = await browser.StandardOutput.ReadToEndAsync();
            await browser.WaitForExitAsync();
            Assert.True(browser.ExitCode == 0, await errors);
            return dom;
        }
        finally
        {
            profile.Delete(recursive: true);
        }
    }
}
