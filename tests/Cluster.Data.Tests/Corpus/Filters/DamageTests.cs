using System.Text;
using Cluster.Data.Corpus.Filters;

namespace Cluster.Data.Tests.Corpus.Filters;

public class DamageTests
{
    [Theory]
    [InlineData("\uFFFD", 9, null)]
    [InlineData("\uFFFD", 10, null)]
    [InlineData("\uFFFD", 11, "replacement_characters")]
    [InlineData("\u0001", 5, null)]
    [InlineData("\u0001", 6, "control_characters")]
    [InlineData("\uE000", 6, "control_characters")]
    public void EncodingDamage_CharactersAroundTheLimit_DropsAboveIt(string bad, int count, string? rule) =>
        new EncodingDamage().Expect(new string('x', 1000 - count) + string.Concat(Enumerable.Repeat(bad, count)), rule);

    [Theory]
    [InlineData("é", 2, null)]
    [InlineData("é", 3, "mojibake")]
    [InlineData("’", 1, null)]
    [InlineData("’", 2, "mojibake")]
    [InlineData("д", 3, "mojibake")]
    [InlineData("語", 2, "mojibake")]
    public void EncodingDamage_Utf8ReadAsLatin_DropsAboveTheLimit(string character, int count, string? rule)
    {
        // Five of a thousand characters are the limit; a character becomes two or three.
        var misread = string.Concat(Encoding.UTF8.GetBytes(character).Select(b => Windows1252(b)));
        var bad = string.Concat(Enumerable.Repeat(misread, count));

        new EncodingDamage().Expect(new string('x', 1000 - bad.Length) + bad, rule);
    }

    [Theory]
    [InlineData("Les élèves étaient à l’école où « il » parlait français à Noël, été comme hiver.")]
    [InlineData("Größere Übungen für ältere Schüler: Straße, Äpfel, Öl.")]
    [InlineData("São Paulo, coração, NÃO, AÇÃO, irmãos, países; El niño comió piñas.")]
    [InlineData("Съешь ещё этих мягких французских булок. 日本語の文章です。")]
    public void EncodingDamage_TextWithAccents_IsKept(string text) => new EncodingDamage().Expect(text, null);

    [Theory]
    [InlineData("<br>", 2, null)]
    [InlineData("<DIV class=\"x\">", 3, "tags")]
    [InlineData("<!-- x", 3, "tags")]
    [InlineData("&nbsp;", 3, "entities")]
    [InlineData("&#160;", 3, "entities")]
    [InlineData("&#xA0;", 2, null)]
    [InlineData("List<T>", 9, null)]
    [InlineData("a < b", 9, null)]
    [InlineData("R&D;", 9, null)]
    public void MarkupLeft_TagsAroundTheLimit_DropsAboveIt(string markup, int count, string? rule)
    {
        var text = Planted.Words(94) + string.Concat(Enumerable.Repeat(" " + markup, count));
        // Signs count among the words too: enough more words for two in a hundred and not for three.
        new MarkupLeft().Expect(text + " " + Planted.Words(20, 200), rule);
    }

    [Theory]
    [InlineData(3, null)]
    [InlineData(4, "script_lines")]
    public void MarkupLeft_ScriptLinesAroundTheLimit_DropsAboveIt(int count, string? rule)
    {
        string[] script = ["var x = 1;", "});", "function(a) {", "color: red;"];

        new MarkupLeft().Expect(string.Join('\n', Enumerable.Range(0, 10).Select(i => i < count ? script[i] : Planted.Words(6, i * 6) + " and then;")), rule);
    }

    [Theory]
    [InlineData(79, "too_short")]
    [InlineData(80, null)]
    public void PlainText_CharactersAroundTheMinimum_DropsBelowIt(int count, string? rule) => new PlainText().Expect(string.Join(' ', new string('x', count).ToCharArray()), rule);

    [Theory]
    [InlineData('\uFFFD', 1, null)]
    [InlineData('\uFFFD', 2, "not_utf8")]
    [InlineData('/', 75, null)]
    [InlineData('/', 76, "mostly_symbols")]
    public void PlainText_SymbolsAroundTheLimit_DropsBeyondIt(char symbol, int count, string? rule) => new PlainText().Expect(new string('x', 100 - count) + new string(symbol, count), rule);

    [Theory]
    [InlineData(6, null)]
    [InlineData(7, "repeated_lines")]
    public void PlainText_RepeatedLinesAroundTheLimit_DropsAboveIt(int repeats, string? rule) =>
        new PlainText().Expect(string.Join('\n', Enumerable.Range(0, 10).Select(i => i <= repeats ? new string(' ', i) + "abcdefghij" : Planted.Word(i) + "zzzz")), rule);

    [Fact]
    public void PlainText_NineLines_IsNoRepetition() => new PlainText().Expect(string.Join('\n', Enumerable.Repeat("abcdefghij", 9)), null);

    private static char Windows1252(byte b) => b is >= 0x80 and < 0xA0
        ? "\u20AC\u0081\u201A\u0192\u201E\u2026\u2020\u2021\u02C6\u2030\u0160\u2039\u0152\u008D\u017D\u008F\u0090\u2018\u2019\u201C\u201D\u2022\u2013\u2014\u02DC\u2122\u0161\u203A\u0153\u009D\u017E\u0178"[b - 0x80]
        : (char)b;
}
