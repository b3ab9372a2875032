using Cluster.Data.Corpus.Filters;

namespace Cluster.Data.Corpus.Quality;

/// <summary>
/// How hard a text in English is to read. Syllables are estimated: groups of vowels, without a silent final e or the e of final -es and -ed
/// (unless a syllable is spoken there: -le after a consonant, -ted, -ded, -ses and the like), at least one.
/// </summary>
/// <param name="Ease">Reading ease: 206.835 − 1.015 words/sentences − 84.6 syllables/words (Flesch 1948); 60–70 is plain English, above 90
/// very easy, below 30 very hard.</param>
/// <param name="Grade">School grade: 0.39 words/sentences + 11.8 syllables/words − 15.59 (Kincaid, Fishburne, Rogers, Chissom
/// 1975).</param>
public readonly record struct Readability(double Ease, double Grade)
{
    /// <summary>
    /// As a part of quality, in [0, 1]: 1 from ease 20 (scholarly) to 80 (easy), falling in a line to 0 at −40 (no sentences, or only long
    /// names) and at 120 (three words a sentence). This project's own bounds.
    /// </summary>
    public double Score => Ease < 20 ? Math.Clamp((Ease + 40) / 60, 0, 1) : Math.Clamp((120 - Ease) / 40, 0, 1);

    /// <summary>Measures a text; null if it has no word with a letter.</summary>
    public static Readability? Of(string text) => Of(TextView.Of(text));

    internal static Readability? Of(TextView view)
    {
        long words = 0, syllables = 0, sentences = 0;
        var text = view.Text.AsSpan();
        foreach (ref readonly var word in view.Words)
        {
            if (!word.HasLetter)
                continue;
            words++;
            syllables += Syllables(text.Slice(word.Start, word.Length));
        }

        if (words == 0)
            return null;
        foreach (ref readonly var paragraph in view.Paragraphs)
            sentences += Sentences.Count(text.Slice(paragraph.Start, paragraph.Length));
        var wordsPerSentence = words / (double)Math.Max(1, sentences);
        var syllablesPerWord = syllables / (double)words;
        return new Readability(206.835 - 1.015 * wordsPerSentence - 84.6 * syllablesPerWord,
            0.39 * wordsPerSentence + 11.8 * syllablesPerWord - 15.59);
    }

    /// <summary>Estimated syllables of an English word, at least 1.</summary>
    internal static int Syllables(ReadOnlySpan<char> word)
    {
        var groups = 0;
        var inside = false;
        foreach (var c in word)
        {
            var vowel = IsVowel(c);
            groups += vowel && !inside ? 1 : 0;
            inside = vowel;
        }

        if (groups > 1 && word.Length > 2 && IsSilentEnd(word))
            groups--;
        return Math.Max(1, groups);
    }

    private static bool IsSilentEnd(ReadOnlySpan<char> word)
    {
        char last = Lower(word[^1]), before = Lower(word[^2]);
        if (last == 'e')
            return !IsVowel(before) && !(before == 'l' && word.Length > 2 && !IsVowel(word[^3]));
        if (before != 'e' || last is not ('s' or 'd'))
            return false;
        var stem = Lower(word[^3]);
        return last == 'd' ? stem is not ('t' or 'd') && !IsVowel(stem) : stem is not ('s' or 'z' or 'x' or 'c' or 'g' or 'h')
            && !IsVowel(stem) && stem != 'l';
    }

    private static bool IsVowel(char c) =>
        Lower(c) is 'a' or 'e' or 'i' or 'o' or 'u' or 'y' or 'á' or 'é' or 'í' or 'ó' or 'ú' or 'ä' or 'ö' or 'ü';

    private static char Lower(char c) => c < 128 ? (char)(c | 0x20) : char.ToLowerInvariant(c);
}
