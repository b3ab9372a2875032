namespace Cluster.Data.Corpus;

/// <summary>
/// Scores prose by surface features, in the spirit of the rules of Gopher (Rae et al., 2021, appendix A.1) and C4 (Raffel et al., 2020,
/// section 2.2):
/// <code>score = prose · length · variety
/// prose   = letters and spaces ÷ characters, mapped from [0.70, 0.95] to [0, 1]
/// length  = words ÷ (words + 200), so that a text of 200 words has half of it
/// variety = √min(1, distinct words ÷ √(30 · words))</code>
/// A text without words scores 0. Distinct words grow about with the root of the length in English (Heaps' law), so variety does not
/// punish long texts for being long.
/// </summary>
public sealed class HeuristicQualityScorer : IQualityScorer
{
    /// <inheritdoc/>
    public string Name => "heuristic-1";

    /// <inheritdoc/>
    public double Score(string text)
    {
        long plain = 0, words = 0;
        foreach (var c in text)
            plain += char.IsLetter(c) || char.IsWhiteSpace(c) ? 1 : 0;
        var distinct = new HashSet<ulong>();
        foreach (var word in new WordHashes(text))
        {
            words++;
            distinct.Add(word);
        }

        if (words == 0)
            return 0;
        var prose = Math.Clamp(((double)plain / text.Length - 0.70) / 0.25, 0, 1);
        var length = words / (words + 200.0);
        var variety = Math.Sqrt(Math.Min(1, distinct.Count / Math.Sqrt(30.0 * words)));
        return prose * length * variety;
    }
}
