using System.Collections.Immutable;
using Cluster.Core.Errors;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Filters;
using CsCheck;

namespace Cluster.Data.Tests.Corpus.Filters;

public class GopherRepetitionTests
{
    private static readonly GopherRepetitionOptions Off = new()
    {
        MaximumDuplicateLines = null,
        MaximumDuplicateParagraphs = null,
        MaximumDuplicateLineCharacters = null,
        MaximumDuplicateParagraphCharacters = null,
        MaximumTopNgram = ImmutableSortedDictionary<int, double>.Empty,
        MaximumDuplicateNgrams = ImmutableSortedDictionary<int, double>.Empty,
    };

    [Theory]
    [InlineData("\n", 2, null)]
    [InlineData("\n", 3, null)]
    [InlineData("\n", 4, "duplicate_lines")]
    [InlineData("\n\n", 3, null)]
    [InlineData("\n\n", 4, "duplicate_paragraphs")]
    public void Apply_DuplicatesAroundTheLimit_DropsAboveIt(string separator, int duplicates, string? rule)
    {
        var lines = Enumerable.Range(0, 10).Select(i => i < duplicates ? "again" : i == duplicates ? "again" : Planted.Words(4, i * 4));

        new GopherRepetition(Off with { MaximumDuplicateLines = separator.Length == 1 ? 0.3 : null, MaximumDuplicateParagraphs = 0.3 }).Expect(string.Join(separator, lines), rule);
    }

    [Theory]
    [InlineData("\n", 101, null)]
    [InlineData("\n", 100, null)]
    [InlineData("\n", 99, "duplicate_line_characters")]
    [InlineData("\n\n", 100, null)]
    [InlineData("\n\n", 99, "duplicate_paragraph_characters")]
    public void Apply_DuplicateCharactersAroundTheLimit_DropsAboveIt(string separator, int length, string? rule)
    {
        // Twenty characters are repeated.
        var text = Planted.Filled($"abcde fghij klmnopqr{separator}abcde fghij klmnopqr{separator}other", length);

        new GopherRepetition(Off with { MaximumDuplicateLineCharacters = separator.Length == 1 ? 0.2 : null, MaximumDuplicateParagraphCharacters = 0.2 }).Expect(text, rule);
    }

    [Theory]
    [InlineData(2, 4, 100)]
    [InlineData(3, 9, 400)]
    [InlineData(4, 16, 1100)]
    public void Apply_TopNgramAroundTheLimit_DropsAboveIt(int n, int times, int length)
    {
        // n words of two letters and their n - 1 blanks, so many times.
        var limit = new GopherRepetitionOptions().MaximumTopNgram[n];
        Assert.Equal(limit, (3 * n - 1) * times / (double)length);
        var text = Blocks(n, times);
        var stage = new GopherRepetition(Off with { MaximumTopNgram = Off.MaximumTopNgram.Add(n, limit) });

        stage.Expect(Planted.Filled(text, length + 1), null);
        stage.Expect(Planted.Filled(text, length), null);
        stage.Expect(Planted.Filled(text, length - 1), $"top_{n}_gram", (3 * n - 1) * times / (length - 1.0), limit);
    }

    [Theory]
    [InlineData(5, 3, 200)]
    [InlineData(6, 7, 600)]
    [InlineData(7, 13, 1400)]
    [InlineData(8, 3, 400)]
    [InlineData(9, 11, 1800)]
    [InlineData(10, 2, 400)]
    public void Apply_DuplicateNgramsAroundTheLimit_DropsAboveIt(int n, int repeats, int length)
    {
        var limit = new GopherRepetitionOptions().MaximumDuplicateNgrams[n];
        Assert.Equal(limit, 2 * n * repeats / (double)length);
        var text = Blocks(n, repeats + 1);
        var stage = new GopherRepetition(Off with { MaximumDuplicateNgrams = Off.MaximumDuplicateNgrams.Add(n, limit) });

        stage.Expect(Planted.Filled(text, length + 1), null);
        stage.Expect(Planted.Filled(text, length), null);
        stage.Expect(Planted.Filled(text, length - 1), $"duplicate_{n}_grams", 2 * n * repeats / (length - 1.0), limit);
    }

    [Fact]
    public void Apply_ProseWithoutRepetition_IsKept() => new GopherRepetition().Expect(Planted.Words(500), null);

    [Fact]
    public void Apply_OfRandomWords_CountsAsTheDefinitionReads() =>
        Gen.Int[0, 5].List[0, 60].Select(Gen.Int[2, 6], Gen.Bool).Sample((words, n, top) =>
        {
            string[] list = [.. words.Select(w => new string((char)('a' + w), w + 1))];
            var text = string.Join(' ', list);
            var limits = Off.MaximumTopNgram.Add(n, 0);
            var drop = new GopherRepetition(top ? Off with { MaximumTopNgram = limits } : Off with { MaximumDuplicateNgrams = limits }).Apply(text).Drop;
            var (least, most) = top ? NaiveTop(list, n) : (NaiveDuplicates(list, n), NaiveDuplicates(list, n));

            Assert.Equal(most > 0, drop is not null);
            if (drop is not null)
                Assert.InRange(drop.Value!.Value * text.Length, least - 1e-6, most + 1e-6);
        }, iter: 2000);

    [Fact]
    public void Validate_StrangeN_NamesIt() => Assert.Contains("n = 21", Assert.Throws<UserErrorException>(() => new GopherRepetition(Off with { MaximumTopNgram = Off.MaximumTopNgram.Add(21, 0.1) })).What);

    private static string Blocks(int n, int times) => string.Join(' ', Enumerable.Range(0, times).Select(i =>
        string.Join(' ', Enumerable.Range(0, n).Select(k => $"{(char)('a' + k)}b")) + (i + 1 < times ? $" u{(char)('a' + i)}" : "")));

    // Of n-grams equally frequent any may be the top one: the least and the most that it can hold.
    private static (int Least, int Most) NaiveTop(string[] words, int n)
    {
        var counts = Enumerable.Range(0, Math.Max(0, words.Length - n + 1)).Select(i => string.Join(' ', words[i..(i + n)])).CountBy(g => g).ToList();
        var most = counts.Select(pair => pair.Value).DefaultIfEmpty(0).Max();
        return most < 2 ? (0, 0) : (counts.Where(pair => pair.Value == most).Min(pair => pair.Key.Length * most), counts.Where(pair => pair.Value == most).Max(pair => pair.Key.Length * most));
    }

    private static int NaiveDuplicates(string[] words, int n)
    {
        var seen = new HashSet<string>();
        var characters = 0;
        for (var i = 0; i + n <= words.Length;)
        {
            if (seen.Add(string.Join('\0', words[i..(i + n)])))
            {
                i++;
                continue;
            }

            characters += words[i..(i + n)].Sum(word => word.Length);
            i += n;
        }

        return characters;
    }
}
