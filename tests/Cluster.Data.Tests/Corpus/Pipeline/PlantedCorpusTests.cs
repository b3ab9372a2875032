using System.Text.Json;
using Cluster.Data.Corpus.Decontamination;
using Cluster.Data.Corpus.Mixing;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;
using Cluster.Data.Corpus.Sources;

namespace Cluster.Data.Tests.Corpus.Pipeline;

/// <summary>A corpus in which everything that stages are for has been planted, judged stage by stage.</summary>
public sealed class PlantedCorpusTests : IDisposable
{
    private readonly TempFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Run_PlantedCorpus_EachStageDropsWhatWasPlantedForIt()
    {
        // 30 articles, written differently enough to be nobody's duplicate.
        for (var i = 0; i < 30; i++)
            Page($"good{i:00}.html", Article(i));
        for (var i = 0; i < 4; i++)
            Page($"copy{i}.html", Article(i));
        for (var i = 0; i < 5; i++)
            Page($"near{i}.html", Article(10 + i) + " One more line stands at the end of this.");
        for (var i = 0; i < 6; i++)
            _folder.Write($"in/gibberish{i}.txt", string.Join(' ', Enumerable.Range(0, 120).Select(w => StableWord(i, w))));
        for (var i = 0; i < 3; i++)
            _folder.Write($"in/spam{i}.txt", string.Concat(Enumerable.Repeat($"Buy the best watches of number {i} today and save with us.\n", 40)));
        string[] others =
        [
            "Der Hafen lag still im Morgenlicht, und die Fischer trugen ihre Netze zu den Booten, während die Möwen über dem Wasser kreisten und nach den ersten Fischen suchten, die jemand vielleicht hinwerfen würde.",
            "Le port dormait encore dans la lumière du matin, et les pêcheurs portaient leurs filets vers les bateaux pendant que les mouettes tournaient au-dessus de l'eau en cherchant les premiers poissons que quelqu'un jetterait.",
            "El puerto dormía todavía bajo la luz de la mañana, y los pescadores llevaban sus redes a los barcos mientras las gaviotas volaban sobre el agua buscando los primeros peces que alguien quizás les tiraría desde la orilla.",
        ];
        for (var i = 0; i < others.Length; i++)
            _folder.Write($"in/other{i}.txt", string.Join("\n\n", Enumerable.Range(0, 4).Select(p => $"{others[i]} ({p + 1})")));
        for (var i = 0; i < 4; i++)
            _folder.Write($"in/menu{i}.html", $"<html><body><ul>{string.Concat(Enumerable.Range(0, 30).Select(l => $"<li><a href=/{i}/{l}>Read the page number {l} of the list</a></li>"))}</ul></body></html>");
        Page("mail.html", Article(50) + " Write to jane.doe@harbour-office.com or call the office.");
        const string question = "Which of the three lamps on the northern pier was first lit by the widow of its keeper in the winter of the great storm?";
        for (var i = 0; i < 2; i++)
            Page($"question{i}.html", Article(60 + i) + " " + question);
        _folder.Write("in/broken.xml", "<never closed>");
        _folder.Write("evaluation.jsonl", JsonSerializer.Serialize(new { question, answer = "The second." }) + "\n");

        var recipe = new CurationRecipe
        {
            Name = "planted",
            Sources = [new FolderRecipe { Name = "web", Path = _folder.In("in") }],
            Decontamination = new DecontaminationRecipe { Sets = [new EvaluationSetRecipe { Name = "lamps", Path = _folder.In("evaluation.jsonl") }] },
            Limits = new ReadLimits { PartitionBytes = 20_000 },
            MaximumFailedShare = 0.05,
        };
        var corpus = new CorpusFolder(_folder.In("out"));
        var summary = CorpusRunner.Run(await CorpusJob.PrepareAsync(corpus, recipe, new CorpusResources { Workers = 2 }), 2);

        Assert.Equal(
            [
                "main-text no_main_text 4", "language language_de 1", "language language_es 1", "language language_fr 1", "gibberish 6", "spam 3",
                "decontamination evaluation_overlap 2", "duplicates exact_duplicate 4", "duplicates near_duplicate 5",
            ],
            Dropped(corpus, summary));
        Assert.Equal(1, summary.Statistics.Failures["malformed_xml"].Items);
        Assert.Equal(31, summary.Documents);
        var contamination = summary.Contamination!.Single();
        Assert.Equal(("lamps", 1, 2L), (contamination.Set, contamination.ItemsWithAny, contamination.Documents));
        var mail = CorpusQuery.Why(corpus, "web/mail.html");
        Assert.True(mail.Kept);
        Assert.Equal(1, mail.Scores!.Where(score => score.Key.Contains("email", StringComparison.Ordinal)).Sum(score => score.Value));
        using var stream = new MemoryStream();
        foreach (var path in Directory.GetFiles(corpus.Shards))
        {
            using var shard = Cluster.Data.Corpus.Sources.Files.Compression.Open(path);
            shard.CopyTo(stream);
        }

        var text = System.Text.Encoding.UTF8.GetString(stream.ToArray());
        Assert.DoesNotContain("jane.doe@", text, StringComparison.Ordinal);
        Assert.DoesNotContain("widow of its keeper", text, StringComparison.Ordinal);
        Assert.DoesNotContain("Subscribe to our newsletter", text, StringComparison.Ordinal);
    }

    [Fact]
    public async Task Run_Mix_SharesAsAskedAndTheSameForAnyWorkers()
    {
        for (var i = 0; i < 120; i++)
        {
            _folder.Write($"large/{i:000}.txt", CorpusJobTests.Sentence(i * 3) + " " + CorpusJobTests.Sentence(i * 3 + 1));
            if (i < 40)
                _folder.Write($"small/{i:000}.txt", CorpusJobTests.Sentence(1_000 + i * 3) + " " + CorpusJobTests.Sentence(1_000 + i * 3 + 1));
        }

        var recipe = new CurationRecipe
        {
            Sources = [new FolderRecipe { Name = "large", Path = _folder.In("large") }, new FolderRecipe { Name = "small", Path = _folder.In("small") }],
            Stages = CurationPresets.Reference,
            Duplicates = new DuplicatesRecipe { Near = null },
            Mix = new MixOptions { Targets = new Dictionary<string, double> { ["large"] = 0.5, ["small"] = 0.5 }, Seed = 3 },
            Limits = new ReadLimits { PartitionFiles = 16 },
        };
        var summaries = new List<CorpusSummary>();
        foreach (var workers in (int[])[1, 3])
        {
            var corpus = new CorpusFolder(_folder.In("out" + workers));
            summaries.Add(CorpusRunner.Run(await CorpusJob.PrepareAsync(corpus, recipe, new CorpusResources { Workers = workers }), workers));
        }

        Assert.Equal(summaries[0].CorpusSha256, summaries[1].CorpusSha256);
        Assert.All(summaries[0].Mix!, domain => Assert.InRange(domain.GotShare, 0.42, 0.58));
        Assert.InRange(summaries[0].Mix!.Single(domain => domain.Domain == "small").Passes, 1.8, 2.2);
        Assert.True(summaries[0].Statistics.Stages.Single(stage => stage.Name == "mix").Dropped["down_sampled"] > 20);
    }

    /// <summary>What each stage dropped, by stage and rule; of what several filters share, by what was planted.</summary>
    private static List<string> Dropped(CorpusFolder corpus, CorpusSummary summary)
    {
        var rows = Enumerable.Range(0, summary.Partitions).SelectMany(p => ProvenanceFile.Read(corpus.Provenance(p))).Where(row => !row.Kept && row.Stage != "read");
        string[] order = ["main-text", "language", "gibberish", "spam", "decontamination", "duplicates"];
        return
        [
            .. rows.CountBy(row => row.Id.Contains("gibberish", StringComparison.Ordinal) ? "gibberish" : row.Id.Contains("spam", StringComparison.Ordinal) ? "spam" : $"{row.Stage} {row.Rule}")
                .OrderBy(pair => Array.IndexOf(order, pair.Key.Split(' ')[0])).ThenBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => $"{pair.Key} {pair.Value}"),
        ];
    }

    private void Page(string name, string article) => _folder.Write("in/" + name, $"""
        <html><head><title>Harbour</title></head><body><nav><a href=/>Home</a><a href=/news>News</a></nav><h1>From the harbour</h1>
        {string.Concat(article.Split("\n\n").Select(paragraph => $"<p>{paragraph}</p>"))}
        <footer>Subscribe to our newsletter</footer></body></html>
        """);

    /// <summary>Prose of its own for each number: sentences that share a few words of every five.</summary>
    private static string Article(int number)
    {
        var nouns = "harbour pilot lamp storm net boat tide bell stone warehouse painter railing bread market letter garden winter window machine road river teacher captain engine cloud island bridge clock kitchen mirror forest barrel candle ladder pocket signal teapot orchard violin compass".Split(' ');
        var adjectives = "quiet young broken old tired bright narrow heavy distant careful wooden early honest strange gentle empty famous golden hidden lonely patient rapid silver sudden tender useful warm yellow clever damp".Split(' ');
        var verbs = "carried watched repaired counted opened painted followed remembered crossed lifted covered offered visited measured answered gathered noticed protected delivered explained ordered borrowed collected described finished guarded invited promised returned surprised".Split(' ');
        return string.Join("\n\n", Enumerable.Range(0, 4).Select(paragraph => string.Join(' ', Enumerable.Range(0, 4).Select(sentence =>
        {
            var (key, drawn) = (Cluster.Data.Corpus.StableHash.Hash64($"{number}/{paragraph}/{sentence}"), 0);
            string Pick(string[] words) => words[(int)(Cluster.Data.Corpus.StableHash.Hash64($"{key}/{drawn++}") % (ulong)words.Length)];
            return $"The {Pick(adjectives)} {Pick(nouns)} {Pick(verbs)} a {Pick(nouns)} with the {Pick(adjectives)} {Pick(nouns)}, and then it {Pick(verbs)} every {Pick(nouns)} "
                + $"that the {Pick(nouns)} had {Pick(verbs)} because of its {Pick(adjectives)} {Pick(nouns)} and {Pick(nouns)}.";
        }))));
    }

    private static string StableWord(int document, int word)
    {
        var hash = Cluster.Data.Corpus.StableHash.Hash64($"{document}-{word}");
        return string.Concat(Enumerable.Range(0, 14 + (int)(hash % 5)).Select(i => "bcdfghjklmnpqrstvwxz0123456789#~"[(int)(hash >> i * 3 & 31)]));
    }
}
