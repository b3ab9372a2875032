using System.Collections.Immutable;
using Cluster.Core.Errors;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Quality;
using Cluster.Data.Tests.Corpus.Filters;

namespace Cluster.Data.Tests.Corpus.Quality;

public class QualityTests
{
    private static readonly TextClassifierTrainerOptions Options = new() { Bits = 14, Passes = 5, HeldOut = 0.25 };

    private static readonly Lazy<TextClassifier> Trained = new(() => TextClassifierTrainer.Train("quality", Good(300), Bad(200), Options));

    [Fact]
    public void Train_TextsThatDiffer_TellsHeldOutOnesApart()
    {
        var header = Trained.Value.Header;

        Assert.Equal(500, header.Positive + header.Negative + header.HeldOut!.Positive + header.HeldOut.Negative);
        Assert.InRange(header.HeldOut.Positive, 40, 110);
        Assert.InRange(header.HeldOut.Auc, 0.97, 1);
        Assert.InRange(header.HeldOut.Precision, 0.9, 1);
        Assert.InRange(header.HeldOut.Recall, 0.9, 1);
    }

    [Fact]
    public void Train_LabelsWithoutMeaning_TellsNothingApart()
    {
        // By the hash of the text: the texts' own pattern has no part in it.
        var sides = Good(500).ToLookup(text => StableHash.Hash64(text) % 2 == 0);
        var measures = TextClassifierTrainer.Train("quality", [.. sides[true]], [.. sides[false]], Options).Header.HeldOut!;

        Assert.InRange(measures.Auc, 0.3, 0.7);
    }

    [Fact]
    public void Train_Twice_GivesTheSameBits()
    {
        Assert.Equal(Trained.Value.Version, TextClassifierTrainer.Train("quality", Good(300), Bad(200), Options).Version);
        Assert.NotEqual(Trained.Value.Version, TextClassifierTrainer.Train("quality", Good(300), Bad(200), Options with { Seed = 2 }).Version);
    }

    [Fact]
    public void Train_OneSideEmpty_SaysSo() =>
        Assert.Contains("0 others", Assert.Throws<UserErrorException>(() => TextClassifierTrainer.Train("quality", Good(3), [" "], Options with { HeldOut = 0 })).What);

    [Fact]
    public void Save_AndLoad_ScoresTheSame()
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "quality.bin");
        Trained.Value.Save(path);
        var loaded = TextClassifier.Load(path);

        Assert.Equal(Trained.Value.Header, loaded.Header);
        Assert.Equal(Trained.Value.Score(Good(1)[0]), loaded.Score(Good(1)[0]));
    }

    [Theory]
    [InlineData(10)]
    [InlineData(200)]
    [InlineData(40_000)]
    public void Load_DamagedFile_IsRefused(int at)
    {
        using var folder = new TempFolder();
        var path = Path.Combine(folder.Path, "quality.bin");
        Trained.Value.Save(path);
        var bytes = File.ReadAllBytes(path);
        bytes[at] ^= 1;
        File.WriteAllBytes(path, bytes);

        Assert.Contains("damaged", Assert.Throws<UserErrorException>(() => TextClassifier.Load(path)).What);
        File.WriteAllBytes(path, bytes[..5]);
        Assert.Contains("no classifier", Assert.Throws<UserErrorException>(() => TextClassifier.Load(path)).What);
        Assert.Contains("cannot be read", Assert.Throws<UserErrorException>(() => TextClassifier.Load(path + "x")).What);
    }

    [Fact]
    public void Measures_OfKnownScores_AreTheTextbooks()
    {
        var measures = ClassifierMeasures.Of([0.9, 0.8, 0.4], [0.7, 0.4, 0.1, 0.2]);

        Assert.Equal(2 / 3.0, measures.Precision, 12);
        Assert.Equal(2 / 3.0, measures.Recall, 12);
        // Of twelve pairs ten are in order, one is a draw, one is not.
        Assert.Equal(10.5 / 12, measures.Auc, 12);
        Assert.Equal(0.5, ClassifierMeasures.Of([0.5, 0.5], [0.5]).Auc);
        Assert.Equal((1.0, 0.0), (ClassifierMeasures.Of([0.1], [0.2]).Precision, ClassifierMeasures.Of([0.1], [0.2]).Recall));
    }

    [Theory]
    [InlineData("cat", 1)]
    [InlineData("make", 1)]
    [InlineData("table", 2)]
    [InlineData("reading", 2)]
    [InlineData("banana", 3)]
    [InlineData("jumped", 1)]
    [InlineData("wanted", 2)]
    [InlineData("makes", 1)]
    [InlineData("houses", 2)]
    [InlineData("the", 1)]
    [InlineData("hmm", 1)]
    public void Syllables_OfWord_AreAsSpoken(string word, int syllables) => Assert.Equal(syllables, Readability.Syllables(word));

    [Fact]
    public void Readability_OfKnownCounts_FollowsTheFormulas()
    {
        // Two sentences, six words, seven syllables.
        var readability = Readability.Of("The cat sat. A table fell.")!.Value;

        Assert.Equal(206.835 - 1.015 * 3 - 84.6 * 7 / 6, readability.Ease, 9);
        Assert.Equal(0.39 * 3 + 11.8 * 7 / 6 - 15.59, readability.Grade, 9);
        Assert.Null(Readability.Of("12 34 !"));
        Assert.Equal([0, 0.5, 1, 1, 0.5, 0], new[] { -50.0, -10, 20, 80, 100, 121 }.Select(ease => new Readability(ease, 0).Score));
    }

    [Fact]
    public void Reputation_OfSources_TakesTheLongestDomain()
    {
        var reputation = new Reputation
        {
            Domains = ImmutableSortedDictionary.CreateRange<string, double>(StringComparer.Ordinal, [new("example.org", 0.4), new("docs.example.org", 0.9)]),
            Datasets = ImmutableSortedDictionary.CreateRange<string, double>(StringComparer.Ordinal, [new("books", 0.8)]),
        };

        Assert.Equal(0.9, reputation.Of(new DocumentMetadata { Url = "https://docs.EXAMPLE.org/a" }));
        Assert.Equal(0.9, reputation.Of(new DocumentMetadata { Url = "https://v2.docs.example.org/" }));
        Assert.Equal(0.4, reputation.Of(new DocumentMetadata { Url = "http://www.example.org:81/", Dataset = "books" }));
        Assert.Equal(0.8, reputation.Of(new DocumentMetadata { Url = "http://notexample.org/", Dataset = "books" }));
        Assert.Null(reputation.Of(new DocumentMetadata { Url = "a/b.txt" }));
        Assert.Equal(0.1, (reputation with { Otherwise = 0.1 }).Of(DocumentMetadata.Unknown));
    }

    [Fact]
    public void Quality_OfParts_IsTheirWeightedMean()
    {
        var stage = new LearnedQuality(new LearnedQualityOptions { Reputation = new Reputation { Otherwise = 0.5 } }, Trained.Value);
        var document = stage.Apply(Good(1)[0]).Document;
        var parts = document.Scores.ToDictionary(score => score.Name, score => score.Value);

        Assert.Equal(4, parts.Count);
        Assert.Equal(0.6 * parts["quality.classifier"] + 0.2 * parts["quality.heuristic"] + 0.1 * parts["quality.readability"] + 0.1 * 0.5, document.Quality, 12);
    }

    [Fact]
    public void Quality_WithoutAPart_WeighsTheOthers()
    {
        var german = Fixtures.Document("d", Good(1)[0]) with { Metadata = new DocumentMetadata { Language = "de" } };
        var document = new LearnedQuality().Apply(german).Document;

        Assert.Equal("quality.heuristic", Assert.Single(document.Scores).Name);
        Assert.Equal(document.Scores[0].Value, document.Quality, 12);
    }

    [Fact]
    public void Quality_LimitAroundTheValue_DropsBelowIt()
    {
        var quality = new LearnedQuality(null, Trained.Value).Apply(Good(1)[0]).Document.Quality;

        Assert.Null(new LearnedQuality(new LearnedQualityOptions { MinimumQuality = quality }, Trained.Value).Apply(Good(1)[0]).Drop);
        Assert.Equal(new DropReason("low_quality", quality, Math.BitIncrement(quality)), new LearnedQuality(new LearnedQualityOptions { MinimumQuality = Math.BitIncrement(quality) }, Trained.Value).Apply(Good(1)[0]).Drop);
    }

    [Fact]
    public void Quality_BadParagraph_IsTakenOut()
    {
        string good = Good(1)[0], bad = Bad(1)[0];
        var stage = new LearnedQuality(new LearnedQualityOptions { MinimumParagraphScore = 0.5, FewestParagraphWords = 10 }, Trained.Value);

        Assert.Equal($"{good}\n\nshort.", stage.Apply($"{good}\n\n{bad}\n\nshort.").Document.Text);
        Assert.Equal(good, stage.Apply($"{bad}\n\n{good}\n\n{bad}\n").Document.Text);
        Assert.Equal("no_paragraph_left", stage.Apply(bad).Drop?.Rule);
        Assert.Contains("needs a classifier", Assert.Throws<UserErrorException>(() => new LearnedQuality(new LearnedQualityOptions { MinimumParagraphScore = 0.5 })).What);
    }

    [Fact]
    public void Toxicity_ScoreAroundTheLimit_DropsAboveIt()
    {
        var toxic = TextClassifierTrainer.Train("toxicity", Bad(200), Good(200), Options);
        var score = toxic.Score(Bad(1)[0]);

        Assert.Null(new Toxicity(toxic, new ToxicityOptions { MaximumScore = score }).Apply(Bad(1)[0]).Drop);
        Assert.Equal(new DropReason("high_score", score, 0.5), new Toxicity(toxic).Apply(Bad(1)[0]).Drop);
        Assert.Equal(Good(1)[0], new Toxicity(toxic, new ToxicityOptions { MaximumParagraphScore = 0.5, FewestParagraphWords = 10 }, "adult").Apply($"{Good(1)[0]}\n\n{Bad(1)[0]}").Document.Text);
        Assert.Equal("adult", Assert.Single(new Toxicity(toxic, name: "adult").Apply(Good(1)[0]).Document.Scores).Name);
    }

    private static string[] Good(int count) => Texts(count, "because the list grows when an item is added its capacity doubles and copies follow", "therefore a reader should know how the method behaves before it is called");

    private static string[] Bad(int count) => Texts(count, "buy cheap pills now click here free offer winner casino bonus best price", "subscribe today limited deal amazing discount the best shop of all");

    private static string[] Texts(int count, params string[] sentences) =>
        [.. Enumerable.Range(0, count).Select(i => string.Join(' ', Enumerable.Range(0, 24).Select(k => sentences[k % 2].Split(' ')[(i * 7 + k * k + k * i) % 11])) + $" {Planted.Word(i % 50)}.")];
}
