namespace Cluster.Evaluation.Scores;

/// <summary>
/// How many words a reply shares with the true answer: the harmonic mean of precision and recall over the bags of words, as for
/// SQuAD (Rajpurkar et al., 2016, section 6.1), without dropping articles. Words are runs of letters and digits, case folded.
/// </summary>
public static class WordOverlap
{
    /// <summary>F1 in [0, 1]; 1 for two texts without words, 0 if only one has none.</summary>
    public static double F1(string reply, string answer)
    {
        var said = Bag(reply);
        var truth = Bag(answer);
        long saidCount = said.Values.Sum(), truthCount = truth.Values.Sum();
        if (saidCount == 0 || truthCount == 0)
            return saidCount == truthCount ? 1 : 0;
        long shared = said.Sum(word => Math.Min(word.Value, truth.GetValueOrDefault(word.Key)));
        return 2.0 * shared / (saidCount + truthCount);
    }

    private static Dictionary<string, int> Bag(string text)
    {
        var bag = new Dictionary<string, int>(StringComparer.Ordinal);
        var start = -1;
        for (var i = 0; i <= text.Length; i++)
        {
            if (i < text.Length && char.IsLetterOrDigit(text[i]))
            {
                if (start < 0)
                    start = i;
            }
            else if (start >= 0)
            {
                var word = text[start..i].ToLowerInvariant();
                bag[word] = bag.GetValueOrDefault(word) + 1;
                start = -1;
            }
        }

        return bag;
    }
}
