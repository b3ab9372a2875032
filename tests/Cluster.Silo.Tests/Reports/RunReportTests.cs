using System.Buffers.Binary;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using Cluster.Silo.Reports;

namespace Cluster.Silo.Tests.Reports;

public sealed class RunReportTests : IDisposable
{
    private static readonly string[] s_plots = ["fine_tuning_loss", "gradient_norm", "learning_rate", "loss", "throughput"];
    private readonly RunFolder _folder = new(Path.Combine(Directory.CreateTempSubdirectory("cluster-report-").FullName, "made-up"));

    [Fact]
    public void Write_WholeRun_FilesAreThereAndPlotsEmbedded()
    {
        Write(metrics: Runs.Metrics());
        var files = Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(_folder.Path, path));
        Assert.Equal(["data_card.md", "model_card.md", .. s_plots.Select(name => $"plots/{name}.png"), "report.md"], files.Order(StringComparer.Ordinal));
        var report = File.ReadAllText(_folder.Report);
        Assert.All(s_plots, name =>
        {
            Assert.Contains($"](plots/{name}.png)", report, StringComparison.Ordinal);
            var png = File.ReadAllBytes(_folder.Plot(name));
            Assert.Equal([0x89, (byte)'P', (byte)'N', (byte)'G', 0x0D, 0x0A, 0x1A, 0x0A], png[..8]);
            Assert.Equal((900, 500), (BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(16)), BinaryPrimitives.ReadInt32BigEndian(png.AsSpan(20))));
        });
    }

    [Fact]
    public void Write_WholeRun_ReportHoldsTheFiguresOfItsInputs()
    {
        Write();
        var report = File.ReadAllText(_folder.Report);
        string[] expected =
        [
            "1.2346 bits per byte", "validation loss 2.4568", "training loss 2.3457", "1.9877 nats per token of the assistant", "43,211 tokens/s",
            "45.7 %", "6 min 12 s", "1.05 GB", "5.68 million tokens", "1,234 steps", $"| parameters | {Runs.Summary.Parameters:#,0} |", "| replicas | 3 |",
            "| measured peak, GFLOP/s | 321 |", "| checkpoints loaded | 7 |", $"`{new string('a', 64)}`", $"`{new string('b', 64)}`",
            "| corpus | 12.3 s | documents: 8,765 | `cccccccccccc` |",
            "| pretraining | 5 min 00 s | tokens: 4,004,004<br>odd&#124;name: a&#124;b<br>c | `dddddddddddd` |",
            "| fine tuning | 1 min 00 s |  | `eeeeeeeeeeee` |",
            "| 100 | 30 | sample number 1 |", "given “The String class”",
            "| What does String.Trim() do? | It returns a new string. | Removes all leading and trailing white-space. |",
            "| What is a Guid? | *(nothing)* | – |",
            @"cluster train --recipe recipe.json --corpus '/data/it'\''s here' --out ../again",
        ];
        Assert.All(expected, figure => Assert.Contains(figure, report, StringComparison.Ordinal));
    }

    [Fact]
    public void Write_WholeRun_PhasesAreThoseOfTheSchedule()
    {
        Write();
        var report = File.ReadAllText(_folder.Report);
        // 4 lanes × 4 sequences × 32 tokens = 512 tokens per micro-batch of all lanes.
        Assert.Contains("| warm up | 10 (1 – 10) | 5,120 | 32 | 1 | 0.0003 – 0.003 | all |", report, StringComparison.Ordinal);
        Assert.Contains("| bulk | 790 (11 – 800) | 606,720 | 32 | 1 – 2 | 0.003 | all |", report, StringComparison.Ordinal);
        Assert.Contains("| annealing | 100 (801 – 900) | 102,400 | 32 | 2 | 0.002999 – 0.0003 | best decile |", report, StringComparison.Ordinal);
        Assert.Contains("| long context | 100 (901 – 1,000) | 102,400 | 64 | 2 | 0.0003 | all |", report, StringComparison.Ordinal);
        Assert.DoesNotContain("Pre-training ended after", report, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_StoppedEarly_SaysSoAndReproducesTheStop()
    {
        Write(metrics: Runs.Metrics(steps: 150));
        var report = File.ReadAllText(_folder.Report);
        Assert.Contains("Pre-training ended after 150 of the schedule's 1,000 steps.", report, StringComparison.Ordinal);
        Assert.Contains("--steps 150", report, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_PhaseWithoutSteps_HasARow()
    {
        var recipe = Runs.Recipe with { Training = Runs.Recipe.Training with { Steps = 4 } };
        Write(Runs.Summary with { Recipe = recipe }, Runs.Metrics(steps: 4));
        Assert.Contains("| warm up | 0 | 0 | 32 | – | – | all |", File.ReadAllText(_folder.Report), StringComparison.Ordinal);
    }

    [Fact]
    public void Write_WholeRun_ModelCardPartsSumToTheParameters()
    {
        Write();
        var card = File.ReadAllText(_folder.ModelCard);
        var shape = Runs.Recipe.Model.Resolved();
        long width = shape.Width, layers = shape.Layers;
        long embedding = shape.Vocabulary * width, attention = layers * 4 * width * width, feedForward = layers * 3 * width * shape.FeedForward, norms = (2 * layers + 1) * width;
        Assert.Equal(Runs.Summary.Parameters, embedding + attention + feedForward + norms);
        Assert.Contains($"| token embedding | {embedding:#,0} |", card, StringComparison.Ordinal);
        Assert.Contains($"| attention | {attention:#,0} |", card, StringComparison.Ordinal);
        Assert.Contains($"| feed-forward | {feedForward:#,0} |", card, StringComparison.Ordinal);
        Assert.Contains($"| norms | {norms:#,0} |", card, StringComparison.Ordinal);
        Assert.Contains($"| all | {Runs.Summary.Parameters:#,0} | 100.0 % |", card, StringComparison.Ordinal);
        Assert.Contains(new string('f', 64), card, StringComparison.Ordinal);
        Assert.Contains("fine-tuned for dialogue", card, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_WholeRun_DataCardHoldsTheCuration()
    {
        Write();
        var card = File.ReadAllText(_folder.DataCard);
        string[] expected =
        [
            "31 files of 75.1 MB", "29.9 MB of curated text", "17 sequences", "| curation | 4,321 | 3,210 | 70,000,001 | 60,000,002 | too short: 1,100<br>duplicate document: 11 |",
            "Method: group hash. Each of 987 groups is in one part.", "| train | 90.0 % | 2,900 | 26,000,003 |",
            "| validation | 13 | 200,000 | 50,000 | 25.0 % | 155 | 44 | 22 | 5 | 1 |", "| test | 13 | 190,000 | 9,500 | 5.0 % | 149 | 33 | 21 | 2 | 0 |",
            "Scorer: heuristic-1.", "290 documents of 5.43 MB", "| train | 9,001 |", "| validation | 501 |", "| test | 502 |",
            new string('f', 64), new string('1', 64), @"- 1\. Two files &#124; were &lt;skipped&gt;.", "The texts' own licences apply",
        ];
        Assert.All(expected, figure => Assert.Contains(figure, card, StringComparison.Ordinal));
        Assert.DoesNotContain("Microsoft", card, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_ReferenceDocumentation_NamesItsLicenceAndNeedsNoCorpusPath()
    {
        var sdk = Directory.CreateDirectory(Path.Combine(Path.GetDirectoryName(_folder.Path)!, "sdk", "packs", "A.Ref", "10.0.0", "ref", "net10.0")).FullName;
        File.WriteAllText(Path.Combine(sdk, "A.xml"), "<doc><members/></doc>");
        var source = new DotnetReferenceSource(Path.Combine(Path.GetDirectoryName(_folder.Path)!, "sdk"));
        Write(corpus: Runs.Corpus with { Source = source.Description });
        Assert.Contains("CC BY 4.0", File.ReadAllText(_folder.DataCard), StringComparison.Ordinal);
        Assert.Contains("cluster train --recipe recipe.json --out", File.ReadAllText(_folder.Report), StringComparison.Ordinal);
    }

    [Fact]
    public void Write_FolderSource_CommandNamesItsPath()
    {
        Directory.CreateDirectory(_folder.Path);
        var source = new FolderSource(_folder.Path);
        Write(corpus: Runs.Corpus with { Source = source.Description });
        Assert.Contains($"--corpus '{_folder.Path}'", File.ReadAllText(_folder.Report), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("a | b || c \\| d \\\\| e")]
    [InlineData("line\nline\r\nline\u2028line\n\n# heading\n- item\n| --- |")]
    [InlineData("``` `code` ~~~ <script>alert(1)</script> <!-- <br> --> &lt; </td></table>")]
    [InlineData("*bold* _x_ [link](http://example.com) ![image](x) www.example.com a@b.cd $x$")]
    [InlineData("\u0000\u0007\u001b[31m \u202Eright to left \uFEFF \uFFFD")]
    [InlineData("\uD800 lone \uDC00")]
    public void Write_HostileText_TablesKeepTheirColumns(string hostile)
    {
        var sample = new Sample(hostile, 1, 2, hostile, hostile, hostile);
        var stage = new StageRecord(hostile, 1, hostile, hostile, new Dictionary<string, string> { [hostile] = hostile });
        var corpus = Runs.Corpus with
        {
            Source = hostile,
            Warnings = [hostile],
            ContentSha256 = hostile,
            Stages = [new CorpusStage(hostile, 1, 0, 1, 0, new Dictionary<string, long> { [hostile] = 1 })],
        };
        Write(Runs.Summary with { Run = hostile, Stages = [stage], WeightsSha256 = hostile }, [], [sample, sample], [sample], corpus);
        foreach (var path in new[] { _folder.Report, _folder.ModelCard, _folder.DataCard })
        {
            var text = File.ReadAllText(path);
            AssertTablesAreWhole(text);
            Assert.DoesNotContain('\r', text);
            Assert.DoesNotContain("<script", text, StringComparison.Ordinal);
            Assert.DoesNotContain('\u202E', text);
            Assert.DoesNotContain('\0', text);
            // One heading per heading of the report, none from within a text.
            Assert.Equal(1, text.Split('\n').Count(line => line.StartsWith("# ", StringComparison.Ordinal)));
        }
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public void Write_HardlyAnyMetrics_WritesWhatThereIs(int points)
    {
        Write(metrics: [.. Runs.Metrics(points, 0)]);
        Assert.Equal(points > 0, File.Exists(_folder.Plot("loss")));
        Assert.Equal(points > 0, File.ReadAllText(_folder.Report).Contains("plots/loss.png", StringComparison.Ordinal));
        Assert.False(File.Exists(_folder.Plot("fine_tuning_loss")));
    }

    [Fact]
    public void Write_FiguresThatAreNoNumbers_ShowAsNone()
    {
        var metrics = new[] { double.NaN, double.PositiveInfinity, 3 }.Select((loss, i) => new MetricPoint
        {
            Stage = StageNames.Pretraining,
            Step = i + 1,
            Seconds = 1,
            Tokens = 1,
            Loss = loss,
            GradientNorm = double.NaN,
        });
        Write(Runs.Summary with { TrainLoss = double.NaN, Mfu = double.NaN, TokensPerSecond = double.PositiveInfinity }, [.. metrics]);
        Assert.True(File.Exists(_folder.Plot("loss")));
        Assert.False(File.Exists(_folder.Plot("gradient_norm")));
        Assert.Contains("| training loss at the end, nats per token | – |", File.ReadAllText(_folder.Report), StringComparison.Ordinal);
        Assert.DoesNotContain("NaN", File.ReadAllText(_folder.Report), StringComparison.Ordinal);
    }

    [Fact]
    public void Write_NoFineTuningNoCorpusNoTexts_DoesWithout()
    {
        var summary = Runs.Summary with
        {
            DialogueValidationLoss = null,
            Stages = [],
            Recipe = Runs.Recipe with { Model = Runs.Recipe.Model with { Vocabulary = 0 } },
        };
        RunReport.Write(_folder, summary, [], [], [], corpus: null);
        var report = File.ReadAllText(_folder.Report);
        Assert.DoesNotContain("Held-out questions", report, StringComparison.Ordinal);
        Assert.DoesNotContain("The same prompt", report, StringComparison.Ordinal);
        Assert.Contains("not fine-tuned", File.ReadAllText(_folder.ModelCard), StringComparison.Ordinal);
        Assert.Contains("not at hand", File.ReadAllText(_folder.DataCard), StringComparison.Ordinal);
        AssertTablesAreWhole(report);
    }

    [Fact]
    public void Write_ManySamples_ShowsFirstAndLastAndSaysHowMany()
    {
        Write(samples: Runs.Samples(101));
        var report = File.ReadAllText(_folder.Report);
        Assert.Contains("sample number 0 |", report, StringComparison.Ordinal);
        Assert.Contains("sample number 100 |", report, StringComparison.Ordinal);
        Assert.Equal(ReportPage.MostSamples, report.Split("sample number").Length - 1);
        Assert.Contains("20 of 101 samples", report, StringComparison.Ordinal);
    }

    [Fact]
    public void Write_Twice_SameBytes()
    {
        Write(metrics: Runs.Metrics());
        var first = Contents();
        Write(metrics: Runs.Metrics());
        Assert.Equal(first, Contents());
        // Negative control: another figure is another report.
        Write(Runs.Summary with { ValidationLoss = 2.4 }, Runs.Metrics());
        Assert.NotEqual(first, Contents());

        string[] Contents() =>
            [.. Directory.GetFiles(_folder.Path, "*", SearchOption.AllDirectories).Order(StringComparer.Ordinal).Select(path => Convert.ToHexString(File.ReadAllBytes(path)))];
    }

    [Fact]
    public void Write_FolderCannotBeMade_IsAUserError()
    {
        File.WriteAllText(_folder.Path, "a file");
        var error = Assert.Throws<UserErrorException>(() => Write());
        Assert.Contains(_folder.Path, error.Message, StringComparison.Ordinal);
        Assert.Equal("a file", File.ReadAllText(_folder.Path));
    }

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_folder.Path)!, recursive: true);

    private void Write(
        RunSummary? summary = null, IReadOnlyList<MetricPoint>? metrics = null, IReadOnlyList<Sample>? samples = null,
        IReadOnlyList<Sample>? heldOut = null, CorpusReport? corpus = null) =>
        RunReport.Write(_folder, summary ?? Runs.Summary, metrics ?? [], samples ?? Runs.Samples(), heldOut ?? Runs.HeldOut, corpus ?? Runs.Corpus);

    /// <summary>A table's lines all have the columns of its first; a line with a bare pipe outside one is an error.</summary>
    private static void AssertTablesAreWhole(string markdown)
    {
        Assert.NotEmpty(markdown);
        foreach (var block in markdown.Split("\n\n").Select(block => block.Trim('\n').Split('\n')))
        {
            if (!block[0].StartsWith('|'))
            {
                // The one place for raw text is the command, inside its fence.
                Assert.All(block, line => Assert.True(block[0].StartsWith("```", StringComparison.Ordinal) || !line.Contains('|', StringComparison.Ordinal), line));
                continue;
            }

            Assert.Matches(@"^\|( (---:?) \|)+$", block[1]);
            Assert.All(block, line =>
            {
                Assert.StartsWith("| ", line, StringComparison.Ordinal);
                Assert.EndsWith(" |", line, StringComparison.Ordinal);
                Assert.Equal(block[0].Count(c => c == '|'), line.Count(c => c == '|'));
            });
        }
    }
}
