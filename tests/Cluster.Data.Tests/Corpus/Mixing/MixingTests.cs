using Cluster.Core.Errors;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Mixing;

namespace Cluster.Data.Tests.Corpus.Mixing;

public sealed class MixingTests
{
    [Fact]
    public void Apply_Targets_AreMetByUpAndDownSampling()
    {
        var corpus = Corpus(("web", 6000), ("books", 1500), ("code", 500));
        var options = new MixOptions { Targets = new Dictionary<string, double> { ["web"] = 2, ["books"] = 2, ["code"] = 1 }, TotalBytes = 400_000 };
        var (plan, got) = Mix(corpus, options);

        // Of 800,000 bytes 400,000 are asked for: 160,000 of web's 600,000, 160,000 of books' 150,000, 80,000 of code's 50,000.
        Assert.Equal([160 / 150.0, 1.6, 160 / 600.0], plan.Domains.Select(domain => domain.Passes), (a, b) => Math.Abs(a - b) < 1e-9);
        var report = plan.Report(got);
        Assert.Equal(["books", "code", "web"], report.Select(row => row.Domain));
        foreach (var row in report)
            Assert.InRange(row.GotShare, row.AskedShare - 0.01, row.AskedShare + 0.01);
        Assert.InRange(report.Sum(row => row.GotBytes), 392_000, 408_000);

        // Nobody of code is left out, nobody is taken three times.
        Assert.All(corpus.Where(d => d.Metadata.Dataset == "code"), d => Assert.InRange(plan.Copies(d), 1, 2));
    }

    [Fact]
    public void Create_DomainTooSmallForItsShare_RepeatsUpToTheCapAndOthersFill()
    {
        var corpus = Corpus(("a", 100), ("b", 1000), ("c", 3000));
        var targets = new Dictionary<string, double> { ["a"] = 0.5, ["b"] = 0.25, ["c"] = 0.25 };
        var (plan, got) = Mix(corpus, new MixOptions { Targets = targets, MaximumRepeats = 3 });

        // 410,000 bytes: a gives 3 times 10,000; b and c share the other 380,000 evenly.
        Assert.Equal([3, 1.9, 190 / 300.0], plan.Domains.Select(domain => domain.Passes), (x, y) => Math.Abs(x - y) < 1e-9);
        Assert.Equal(30_000, got["a"].Bytes);
        Assert.Equal(30 / 410.0, plan.Domains[0].PlannedShare, 9);

        // All at the cap: the mix is smaller than asked for, and every document comes three times.
        var (full, most) = Mix(corpus, new MixOptions { Targets = targets, MaximumRepeats = 3, TotalBytes = 10_000_000 });
        Assert.Equal(3 * 410_000, most.Values.Sum(size => size.Bytes));
        Assert.All(corpus, d => Assert.Equal(3, full.Copies(d)));
    }

    [Theory]
    [InlineData(1, 0.8, 0.2)]
    [InlineData(2, 2 / 3.0, 1 / 3.0)]
    [InlineData(1e9, 0.5, 0.5)]
    public void Create_Temperature_FlattensTheShares(double temperature, double large, double small)
    {
        var (plan, _) = Mix(Corpus(("large", 800), ("small", 200)), new MixOptions { Temperature = temperature });
        Assert.Equal(large, plan.Domains[0].AskedShare, 6);
        Assert.Equal(small, plan.Domains[1].AskedShare, 6);
    }

    [Fact]
    public void Copies_AnyOrderOrCompany_AreTheDocumentsOwn()
    {
        var corpus = Corpus(("a", 500), ("b", 500));
        var options = new MixOptions { Targets = new Dictionary<string, double> { ["a"] = 1, ["b"] = 3 } };
        var (plan, _) = Mix(corpus, options);
        var (reversed, _) = Mix([.. corpus.Reverse()], options);
        Assert.Equal(corpus.Select(plan.Copies), corpus.Select(reversed.Copies));

        // Another seed takes others, and a document that is taken stays in when its domain grows.
        var (other, _) = Mix(corpus, options with { Seed = 2 });
        Assert.NotEqual(corpus.Select(plan.Copies), corpus.Select(other.Copies));
        var (larger, _) = Mix(corpus, options with { TotalBytes = 150_000 });
        Assert.All(corpus, d => Assert.True(larger.Copies(d) >= plan.Copies(d)));
    }

    [Fact]
    public void Apply_Copies_HaveIdsOfTheirOwn()
    {
        var corpus = Corpus(("a", 3));
        var (plan, _) = Mix(corpus, new MixOptions { TotalBytes = 900 });
        Assert.Equal(["a-0", "a-0#2", "a-0#3"], plan.Apply(corpus[0]).Select(d => d.Id));
        Assert.Empty(plan.Apply(Document("x", "elsewhere")));
    }

    [Fact]
    public void Copies_Weight_MultipliesADocumentsShareOfItsDomain()
    {
        var corpus = Corpus(("a", 4000)).Select((d, i) => i % 4 == 0 ? d with { Metadata = d.Metadata with { Weight = 3 } } : d).ToArray();
        var (plan, got) = Mix(corpus, new MixOptions { TotalBytes = 300_000 });
        var heavy = corpus.Where((_, i) => i % 4 == 0).Average(plan.Copies);
        var light = corpus.Where((_, i) => i % 4 != 0).Average(plan.Copies);
        Assert.InRange(heavy / light, 2.8, 3.2);
        Assert.InRange(got["a"].Bytes, 290_000, 310_000);
    }

    [Fact]
    public void DomainOf_EachKey_ReadsTheMetadata()
    {
        var document = Document("x", "wiki") with { Metadata = new DocumentMetadata { Dataset = "wiki", Url = "https://en.example.org/a", Language = "en" } };
        Assert.Equal(["wiki", "en.example.org", "en"], Enum.GetValues<MixKey>().Select(key => new MixOptions { Key = key }.DomainOf(document)));
        var unknown = document with { Metadata = new DocumentMetadata { Url = "some/path.txt" } };
        Assert.All(Enum.GetValues<MixKey>(), key => Assert.Equal("unknown", new MixOptions { Key = key }.DomainOf(unknown)));
    }

    [Fact]
    public void Create_ImpossibleOptions_AreNamed()
    {
        var sizes = new Dictionary<string, DomainSize> { ["a"] = new(1, 100, 100_000) };
        Assert.Contains("of which the corpus has nothing", Error(new MixOptions { Targets = new Dictionary<string, double> { ["b"] = 1 } }), StringComparison.Ordinal);
        Assert.Contains("target of a is -1", Error(new MixOptions { Targets = new Dictionary<string, double> { ["a"] = -1 } }), StringComparison.Ordinal);
        Assert.Contains("temperature is 0", Error(new MixOptions { Temperature = 0 }), StringComparison.Ordinal);
        Assert.Contains("maximum_repeats is 0", Error(new MixOptions { MaximumRepeats = 0 }), StringComparison.Ordinal);
        Assert.Throws<UserErrorException>(() => MixPlan.Create(new Dictionary<string, DomainSize>(), new MixOptions()));

        string Error(MixOptions options) => Assert.Throws<UserErrorException>(() => MixPlan.Create(sizes, options)).What;
    }

    [Fact]
    public void Propose_ExcessLoss_RaisesTheWeightExponentially()
    {
        var weights = new Dictionary<string, double> { ["easy"] = 2, ["learnable"] = 2, ["noise"] = 4 };
        var proxy = new Run(new() { ["easy"] = 0.8, ["learnable"] = 1.2, ["noise"] = 2.5 });
        var reference = new Run(new() { ["easy"] = 0.9, ["learnable"] = 0.7, ["noise"] = 2.5 });
        var proposal = DomainReweighting.Propose(weights, proxy, reference, new ReweightingOptions { Smoothing = 0.03 });

        // Excess 0 (better than the reference), 0.5 and 0: 0.25, 0.25 e^0.5 and 0.5, brought to 1, and 1 % more for each.
        var sum = 0.75 + 0.25 * Math.Exp(0.5);
        Assert.Equal([0, 0.5, 0], proposal.Select(row => row.Excess), (a, b) => Math.Abs(a - b) < 1e-12);
        Assert.Equal([0.97 * 0.25 / sum + 0.01, 0.97 * 0.25 * Math.Exp(0.5) / sum + 0.01, 0.97 * 0.5 / sum + 0.01], proposal.Select(row => row.Proposed), (a, b) => Math.Abs(a - b) < 1e-12);
        Assert.Equal(1, proposal.Sum(row => row.Proposed), 12);

        // The proposal is a target of the mix.
        Assert.Throws<UserErrorException>(() => DomainReweighting.Propose(weights, new Run(new() { ["easy"] = double.NaN, ["learnable"] = 1, ["noise"] = 1 }), reference));
        Assert.Throws<UserErrorException>(() => DomainReweighting.Propose(weights, proxy, reference, new ReweightingOptions { StepSize = 0 }));
        Assert.Throws<UserErrorException>(() => DomainReweighting.Propose(new Dictionary<string, double>(), proxy, reference));
    }

    private sealed class Run(Dictionary<string, double> losses) : IProxyRun
    {
        public double BitsPerByte(string domain) => losses[domain];
    }

    private static (MixPlan Plan, IReadOnlyDictionary<string, DomainSize> Got) Mix(IReadOnlyList<Document> corpus, MixOptions options)
    {
        MixTally available = new(), got = new();
        foreach (var document in corpus)
            available.Add(options.DomainOf(document), document);
        var plan = MixPlan.Create(available.Sizes, options);
        foreach (var copy in corpus.SelectMany(plan.Apply))
            got.Add(options.DomainOf(copy), copy);
        return (plan, got.Sizes);
    }

    /// <summary>Documents of 100 bytes.</summary>
    private static Document[] Corpus(params (string Dataset, int Documents)[] domains) =>
        [.. domains.SelectMany(domain => Enumerable.Range(0, domain.Documents).Select(i => Document($"{domain.Dataset}-{i}", domain.Dataset)))];

    private static Document Document(string id, string dataset) =>
        Fixtures.Document(id, new string('é', 50)) with { Metadata = new DocumentMetadata { Dataset = dataset } };
}
