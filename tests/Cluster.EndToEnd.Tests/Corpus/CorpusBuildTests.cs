using System.Diagnostics;
using System.Text.Json;
using Cluster.Cli.Corpus;
using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Corpus;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Tokens;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.Silo.Tests.Inference;
using Orleans;
using Orleans.Runtime;

namespace Cluster.EndToEnd.Tests.Corpus;

/// <summary>The same corpus by threads, by processes that are killed, within little memory and by silos that die.</summary>
[Collection(ProcessCollection.Corpus)]
public sealed class CorpusBuildTests : IDisposable
{
    private const int PartitionBytes = 64 << 10;
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(120);
    private readonly PlantedTexts _texts = new();

    public void Dispose() => _texts.Dispose();

    [Fact]
    public async Task Build_ByProcessesOfWhichSomeAreKilled_SameCorpusAsByOneThread()
    {
        _texts.Write("a.jsonl", 1_500, 14);
        var alone = await BuildAsync("alone", workers: 1, processes: null);
        Assert.InRange(alone.Partitions, 15, 60);
        Assert.Equal(alone.CorpusSha256, (await BuildAsync("one", 1, processes: 1)).CorpusSha256);
        Assert.Equal(alone.CorpusSha256, (await BuildAsync("four", 1, processes: 4)).CorpusSha256);

        var pids = new List<int>();
        var killed = 0;
        var disturbed = await CorpusBuild.RunAsync(_texts.In("killed"), _texts.Recipe(PartitionBytes), 1, 2, 64 << 20, message =>
        {
            // After the fifth partition of reading, and again at the beginning of writing and of counting: whatever is under way is lost.
            if (message.StartsWith("read: 5 ", StringComparison.Ordinal)
                || message.StartsWith("write: 2 ", StringComparison.Ordinal) || message.StartsWith("pieces: 2 ", StringComparison.Ordinal))
            {
                lock (pids)
                {
                    foreach (var pid in pids.TakeLast(2))
                    {
                        Process.GetProcessById(pid).Kill();
                        killed++;
                    }
                }
            }
        }, CancellationToken.None, started: pid =>
        {
            lock (pids)
                pids.Add(pid);
        });
        Assert.True(killed >= 5, $"{killed} were killed");
        Assert.Equal(alone.CorpusSha256, disturbed.CorpusSha256);
        Assert.Equal(File.ReadAllText(_texts.In("alone/corpus.json")), File.ReadAllText(_texts.In("killed/corpus.json")));
        AssertTokenizerOfTheInMemoryPath("alone");
        AssertTokenizerOfTheInMemoryPath("four");
        AssertTokenizerOfTheInMemoryPath("killed");
        Assert.Empty(Directory.GetFiles(_texts.In("killed/shards"), "*.tmp"));
    }

    [Fact]
    public async Task Build_WithEmbeddingsByProcessesOfWhichSomeAreKilled_SameCorpusAsByOneThread()
    {
        _texts.Write("a.jsonl", 120, 3);
        TinyRun.Write(_texts.In("runs"), "run");
        var recipe = _texts.Recipe(2 << 10);
        // The embeddings of random weights and one alphabet are near each other; what is near is not the matter here.
        recipe = recipe with { Duplicates = recipe.Duplicates with { Embeddings = new EmbeddingDuplicatesRecipe { Model = _texts.In("runs/run"), MinimumCosine = 0.98 } } };
        await CorpusBuild.RunAsync(_texts.In("alone"), recipe, 1, null, 64 << 20, _ => { }, CancellationToken.None);
        var pids = new List<int>();
        var killed = 0;
        await CorpusBuild.RunAsync(_texts.In("killed"), recipe, 1, 2, 64 << 20, message =>
        {
            if (message.StartsWith("embed: 3 ", StringComparison.Ordinal) || message.StartsWith("embedding-bands: 2 ", StringComparison.Ordinal))
            {
                lock (pids)
                {
                    Process.GetProcessById(pids[^1]).Kill();
                    killed++;
                }
            }
        }, CancellationToken.None, started: pid =>
        {
            lock (pids)
                pids.Add(pid);
        });
        Assert.True(killed >= 2, $"{killed} were killed");
        Assert.True(CorpusSummary.Load(new CorpusFolder(_texts.In("alone")))!.Embeddings!.Dropped > 0);
        Assert.Equal(File.ReadAllText(_texts.In("alone/corpus.json")), File.ReadAllText(_texts.In("killed/corpus.json")));
    }

    [Fact]
    public async Task Build_WholeProgramKilledInEachPhase_GoesOnToTheSameCorpus()
    {
        _texts.Write("a.jsonl", 1_500, 14);
        var recipe = _texts.RecipeFile(PartitionBytes);
        var alone = await BuildAsync("alone", workers: 2, processes: null);
        var folder = new CorpusFolder(_texts.In("killed"));
        foreach (var phase in (string[])["read", "near-bands", "units", "write", "pieces"])
        {
            var before = Markers(folder, phase);
            using var watch = new MarkerWatch(folder, phase, before + 3);
            await using var build = LineProcess.Cluster("corpus", "build", "--recipe", recipe, "--out", folder.Root, "--workers", "1");
            await watch.Reached.WaitAsync(s_limit);
            Assert.False(build.Exited.IsCompleted);
            Process.GetProcessById(build.Pid).Kill();
            await build.Exited;
            Assert.InRange(Markers(folder, phase), before + 3, alone.Partitions - 1);
            Assert.False(File.Exists(folder.Summary));
        }

        var (code, text) = await LineProcess.RunAsync("corpus", "build", "--recipe", recipe, "--out", folder.Root, "--json");
        Assert.True(code == 0, text);
        Assert.Equal(alone.CorpusSha256, JsonDocument.Parse(text).RootElement.GetProperty("corpus_sha256").GetString());
        Assert.Equal(File.ReadAllText(_texts.In("alone/corpus.json")), File.ReadAllText(folder.Summary));
        AssertTokenizerOfTheInMemoryPath("killed");
    }

    [Fact]
    public async Task Build_CorpusFiveTimesTheHeap_SameCorpusAsWithoutTheLimit()
    {
        const long heap = 32 << 20;
        for (var file = 0; file < 4; file++)
            _texts.Write($"{file}.jsonl", 1_000, 630);
        var bytes = Directory.GetFiles(_texts.In("texts")).Sum(path => new FileInfo(path).Length);
        Assert.True(bytes >= 5 * heap, $"{bytes} bytes are too few");
        var recipe = _texts.RecipeFile(4 << 20);
        var free = await BuildAsync("free", workers: 2, processes: null, partitionBytes: 4 << 20);

        var limit = new Dictionary<string, string?> { ["DOTNET_GCHeapHardLimit"] = heap.ToString("x", System.Globalization.CultureInfo.InvariantCulture), ["DOTNET_gcServer"] = "0" };
        await using var build = LineProcess.Cluster(limit, "corpus", "build", "--recipe", recipe, "--out", _texts.In("limited"), "--workers", "1", "--memory", "2", "--json");
        var code = await build.Exited.WaitAsync(s_limit);
        var text = await build.RestAsync();
        Assert.True(code == 0, text);
        Assert.Equal(free.CorpusSha256, JsonDocument.Parse(text).RootElement.GetProperty("corpus_sha256").GetString());

        // The limit is one: a program that needs more than it does not come through.
        limit["DOTNET_GCHeapHardLimit"] = "400000";
        await using var starved = LineProcess.Cluster(limit, "corpus", "build", "--recipe", recipe, "--out", _texts.In("starved"), "--workers", "1", "--memory", "2");
        Assert.NotEqual(0, await starved.Exited.WaitAsync(s_limit));
    }

    [Fact]
    public async Task Build_OnSilosOfWhichTheCoordinatorsIsKilled_SameCorpusAsByOneProcess()
    {
        _texts.Write("a.jsonl", 2_500, 16);
        var alone = await BuildAsync("alone", workers: 2, processes: null);
        var runs = _texts.In("runs");
        await using var up = LineProcess.Cluster("up", "--silos", "3", "--runs", runs);
        await up.WaitForAsync("Ctrl-C ends it");
        var state = new ClusterFolder(runs).Running("cluster");
        string? victim = null;
        var recipe = _texts.Recipe(PartitionBytes);
        await using var connection = await ClusterConnection.OpenAsync(state);
        var summary = await new CorpusOnCluster(ClusterAddress.Of(state)).RunAsync(_texts.In("cluster"), recipe, 1, 64 << 20, message =>
        {
            if (victim is not null || !message.StartsWith("read:", StringComparison.Ordinal) || Markers(new CorpusFolder(_texts.In("cluster")), "read") < 4)
                return;
            var coordinator = connection.Grains.GetGrain<ICorpusGrain>(recipe.Name);
            var host = connection.Grains.GetGrain<IManagementGrain>(0).GetActivationAddress(coordinator).AsTask().GetAwaiter().GetResult();
            var silo = state.Silos.Single(silo => silo.Port == host!.Endpoint.Port);
            victim = silo.Name;
            Process.GetProcessById(silo.Process.Pid).Kill();
        }, CancellationToken.None);

        Assert.NotNull(victim);
        await up.WaitForAsync($"{victim} was killed (signal 9)");
        Assert.Equal(alone.CorpusSha256, summary.CorpusSha256);
        Assert.Equal(File.ReadAllText(_texts.In("alone/corpus.json")), File.ReadAllText(_texts.In("cluster/corpus.json")));
        AssertTokenizerOfTheInMemoryPath("cluster");
    }

    /// <summary>The tokenizer of a corpus is, byte by byte, what one process learns from all its texts in memory.</summary>
    private void AssertTokenizerOfTheInMemoryPath(string name)
    {
        var folder = new CorpusFolder(_texts.In(name));
        var texts = Directory.GetFiles(folder.Shards, "*.zst").Order(StringComparer.Ordinal).SelectMany(CorpusShard.Read).Select(document => document.Text);
        var merges = BytePairTrainer.Train(texts, new BytePairTrainerOptions { VocabularySize = _texts.Recipe(PartitionBytes).Tokenizer!.Vocabulary });
        Assert.Equal(TokenizerFile.Serialize(new BytePairTokenizer(merges)), File.ReadAllBytes(folder.Tokenizer));
    }

    private static int Markers(CorpusFolder folder, string phase) =>
        Directory.Exists(Path.GetDirectoryName(folder.Marker(phase, 0))) ? Directory.GetFiles(Path.GetDirectoryName(folder.Marker(phase, 0))!, "*.json").Length : 0;

    private Task<CorpusBuildResult> BuildAsync(string name, int workers, int? processes, int partitionBytes = PartitionBytes) =>
        CorpusBuild.RunAsync(_texts.In(name), _texts.Recipe(partitionBytes), workers, processes, 64 << 20, _ => { }, CancellationToken.None);
}
