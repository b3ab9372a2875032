using Cluster.Data.Corpus;

namespace Cluster.Data.Tests.Corpus;

public class NgramOverlapTests
{
    private const string Text = "one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen";

    [Fact]
    public void PerDocument_SharedPhrase_CountsItsNgrams()
    {
        var heldOut = new[]
        {
            Fixtures.Document("same", "ONE, two; Three four five six seven eight nine ten eleven twelve (thirteen) fourteen fifteen!"),
            Fixtures.Document("half", "zero " + Text.Replace("fifteen", "sixteen", StringComparison.Ordinal)),
            Fixtures.Document("none", Text.Replace("eight", "acht", StringComparison.Ordinal)),
            Fixtures.Document("short", "one two three"),
        };

        var counts = NgramOverlap.PerDocument([Fixtures.Document("other", "nothing of it"), Fixtures.Document("train", Text)], heldOut, workers: 2);

        Assert.Equal([(3, 3), (4, 2), (3, 0), (0, 0)], counts);
        var report = NgramOverlap.Report(counts, removed: 0);
        Assert.Equal(new NgramOverlapReport(13, 10, 5, 3, 2, 1, 1, 0), report);
        Assert.Equal(0.5, report.Share);
    }

    [Fact]
    public void PerDocument_LongTexts_AgreeWithSetsOfStrings()
    {
        static string Make(int seed)
        {
            var state = (uint)seed;
            return string.Join(' ', Enumerable.Range(0, 3000).Select(_ => (state = state * 1664525 + 1013904223) >> 31 == 0 ? "a" : "b"));
        }

        static IEnumerable<string> Grams(string text, int n)
        {
            var words = text.Split(' ');
            return Enumerable.Range(0, words.Length - n + 1).Select(i => string.Join(' ', words[i..(i + n)]));
        }

        string train = Make(1), heldOut = Make(2);
        var known = Grams(train, 11).ToHashSet();
        var expected = Grams(heldOut, 11).Count(known.Contains);

        var (ngrams, inTraining) = Assert.Single(NgramOverlap.PerDocument([Fixtures.Document("t", train)], [Fixtures.Document("h", heldOut)], 1, n: 11));

        Assert.Equal(2990, ngrams);
        Assert.Equal(expected, inTraining);
        Assert.InRange(inTraining, 100, 2900);
    }
}
