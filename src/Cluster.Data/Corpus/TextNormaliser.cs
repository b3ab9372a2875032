using System.Text;

namespace Cluster.Data.Corpus;

/// <summary>
/// One text in, the same text in the corpus's form out: line ends are LF, control characters other than line feed and tab, byte order
/// marks and NULs are gone, lone surrogates are U+FFFD, the rest is in NFC. Spaces and empty lines stay: in code and verse they mean
/// something. Idempotent.
/// </summary>
internal static class TextNormaliser
{
    public static string Normalise(string text) => Nfc.Normalize(IsClean(text) ? text : Clean(text));

    private static bool IsClean(string text)
    {
        foreach (var c in text)
        {
            if ((char.IsControl(c) && c is not ('\n' or '\t')) || c == '\uFEFF' || char.IsSurrogate(c))
                return false;
        }

        return true;
    }

    private static string Clean(string text)
    {
        var clean = new StringBuilder(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            var c = text[i];
            if (c == '\r')
            {
                // CRLF is one line end, and so is a lone CR.
                if (i + 1 == text.Length || text[i + 1] != '\n')
                    clean.Append('\n');
            }
            else if (char.IsHighSurrogate(c) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                clean.Append(c).Append(text[++i]);
            }
            else if (char.IsSurrogate(c))
            {
                clean.Append('\uFFFD');
            }
            else if (c is '\n' or '\t' || (!char.IsControl(c) && c != '\uFEFF'))
            {
                clean.Append(c);
            }
        }

        return clean.ToString();
    }
}
