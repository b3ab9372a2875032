using System.Text;
using Cluster.Inference.Generation;
using CsCheck;

namespace Cluster.Inference.Tests.Generation;

public class ReplyTextTests
{
    [Fact]
    public void Append_AnyCut_EqualsCuttingTheWholeText()
    {
        // Few letters, so that stop strings and their beginnings are frequent; two, three and four bytes, so that cuts fall inside characters.
        var letter = Gen.OneOf("a", "b", "é", "…", "🙂");
        var text = letter.Array[0, 24].Select(string.Concat);
        var stops = letter.Array[1, 4].Select(string.Concat).Array[0, 3];
        Gen.Select(text, stops, Gen.Int[1, 5].Array[1, 60]).Sample((whole, stopStrings, cuts) =>
        {
            var bytes = Encoding.UTF8.GetBytes(whole);
            var reply = new ReplyText(stopStrings);
            var pieces = new StringBuilder();
            var at = 0;
            for (var i = 0; at < bytes.Length && !reply.Stopped; i++)
            {
                var count = Math.Min(cuts[i % cuts.Length], bytes.Length - at);
                pieces.Append(reply.Append(bytes.AsSpan(at, count)));
                at += count;
                var certain = pieces.ToString();
                Assert.StartsWith(certain, whole, StringComparison.Ordinal);
                Assert.DoesNotContain(stopStrings, s => certain.Contains(s, StringComparison.Ordinal));
            }

            if (!reply.Stopped)
                pieces.Append(reply.End());
            var hits = stopStrings.Select(s => (At: whole.IndexOf(s, StringComparison.Ordinal), s.Length)).Where(h => h.At >= 0)
                .OrderBy(h => h.At + h.Length).ThenBy(h => h.At).ToArray();
            Assert.Equal(hits.Length > 0, reply.Stopped);
            Assert.Equal(hits.Length > 0 ? whole[..hits[0].At] : whole, pieces.ToString());
        }, iter: 3_000, seed: "0000KOIPe036");
    }

    [Fact]
    public void Append_BeginningOfStop_HeldUntilDecided()
    {
        var reply = new ReplyText(["<end>", "nd"]);
        Assert.Equal("x", reply.Append("x<"u8));
        Assert.Equal("", reply.Append("e"u8));
        Assert.Equal("<ex", reply.Append("x"u8));
        Assert.Equal("", reply.Append("<en"u8));
        Assert.Equal("<e", reply.Append("d"u8)); // "nd" appears; "<end>" might, one char later, but has not
        Assert.True(reply.Stopped);
    }

    [Fact]
    public void End_InsideCharacter_ReadsAsReplacement()
    {
        var reply = new ReplyText([]);
        Assert.Equal("a", reply.Append([(byte)'a', 0xE2, 0x80]));
        Assert.Equal("\uFFFD", reply.End());
    }
}
