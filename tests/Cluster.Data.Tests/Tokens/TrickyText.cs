using System.Text;
using Cluster.Core.Randomness;

namespace Cluster.Data.Tests.Tokens;

/// <summary>Seeded text made of what tokenizers stumble over: apostrophes, digits, white space of all kinds, astral code points, lone surrogates.</summary>
internal static class TrickyText
{
    private static readonly string[] Parts =
    [
        "a", "B", "ll", "'s", "'S", "'RE", "'ve", "'l", "'\u017F", "'", "''", " ", "  ", "\t", "\n", "\r", "\r\n", "\u00A0", "\u0085", "\u2028",
        "\u3000", "1", "23", "4567", "٣", "½", "Ⅷ", ".", "!?", "-", "_", "é", "e\u0301", "ß", "Ж", "中", "ﬁ", "\u200B", "\u200D", "\uFEFF",
        "\U0001F600", "\U0001D400", "\U00020000", "\U0001D7CE", "\uD83D", "\uDE00", "<|endoftext|>", "<|", "the", " and", "\0", "ſ", "K",
    ];

    public static string Make(ulong stream, int parts, bool loneSurrogates = true)
    {
        var random = new CounterRandom(7, RandomPurpose.Synthetic, stream);
        var text = new StringBuilder();
        for (var i = 0; i < parts; i++)
        {
            var part = Parts[(int)random.Below((ulong)i, (ulong)Parts.Length)];
            if (loneSurrogates || !char.IsSurrogate(part[0]) || part.Length == 2)
                text.Append(part);
        }

        return text.ToString();
    }
}
