using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using Cluster.Silo.Stages;
using Cluster.Silo.Tests.Training;

namespace Cluster.Silo.Tests.Stages;

public sealed class DataInstrumentsTests : IDisposable
{
    private readonly Meters _meters = new();

    public void Dispose() => _meters.Dispose();

    [Fact]
    public void Stages_OneAfterAnother_CountsByStepReasonAndDataset()
    {
        var instruments = new DataInstruments(_meters.Factory);
        instruments.Progress("run", StageNames.Corpus, 0);
        instruments.Progress("run", StageNames.Corpus, 0.5);
        instruments.Curated("run", new CorpusStage("documents", 10, 7, 1000, 800, new Dictionary<string, long> { ["too_short"] = 2, ["duplicate"] = 1 }));
        instruments.Finished("run", StageNames.Corpus, 2.5);
        instruments.Progress("run", StageNames.Shards, 0);
        instruments.Wrote("run", Datasets.Train, 0);
        instruments.Wrote("run", Datasets.Train, 40);
        instruments.Wrote("run", Datasets.Train, 2);
        instruments.Wrote("run", Datasets.Validation, 0);

        Assert.Equal(
            [
                "cluster.data.progress run corpus 1", "cluster.data.progress run shards 0",
                "cluster.data.documents run documents duplicate 1", "cluster.data.documents run documents kept 7", "cluster.data.documents run documents too_short 2",
                "cluster.data.io run documents in 1000", "cluster.data.io run documents out 800",
                "cluster.data.time run corpus 2.5", "cluster.data.time run shards 0",
                "cluster.data.tokens run train 42", "cluster.data.tokens run validation 0",
            ],
            _meters.Observe());
    }

    [Fact]
    public void Progress_OfManyRuns_ShowsTheLast()
    {
        var instruments = new DataInstruments(_meters.Factory);
        for (var run = 0; run < 100; run++)
            instruments.Progress($"run{run:D2}", StageNames.Shards, 0.5);

        var shown = _meters.Observe().Where(line => line.StartsWith("cluster.data.progress", StringComparison.Ordinal)).ToList();

        Assert.Equal(32, shown.Count);
        Assert.Contains("cluster.data.progress run99 shards 0.5", shown);
        Assert.DoesNotContain("cluster.data.progress run00 shards 0.5", shown);
    }
}
