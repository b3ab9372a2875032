using System.Collections.Frozen;

namespace Cluster.Data.Corpus;

/// <summary>
/// A stated formula over the text alone. With each part clipped to [0, 1]:
/// <code>
/// score = 0.25 prose + 0.20 sentences + 0.15 stop words + 0.15 length + 0.15 explanation + 0.10 variety
///
/// prose        (share of letters and spaces among the characters − 0.60) / 0.30
/// sentences    share of the text's characters in lines that end like a sentence (. ! ? : ; or a closing quote or bracket after one)
/// stop words   share of words that are among 50 frequent English ones / 0.35
/// length       log2(words / 16) / 7: nothing at 16 words, all from 2,048 on
/// explanation  words that explain (because, if, when, otherwise, default, example…) per 100 words / 5
/// variety      distinct words among the first 256 / 128, or among all if there are fewer, by the same ratio of one half
/// </code>
/// The features follow those of C4 and Gopher (Raffel et al. 2020; Rae et al. 2021, appendix A1); the weights are chosen by hand on
/// reference documentation and claim no more. English stop words lower every text in other languages alike, which leaves their order.
/// </summary>
public sealed class HeuristicQualityScorer : IQualityScorer
{
    private const int VarietyWords = 256;

    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> StopWords = Set(
        "the of and a to in is that it for as with on are be this by or an not from at which can if was you have has "
        + "its will but they we he she his her all one there were been when who what their would had more");

    private static readonly FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> Explanations = Set(
        "because if when otherwise unless default example however therefore instead only use whether must should before "
        + "after until since although while note means so");

    /// <inheritdoc/>
    public string Name => "heuristic-1";

    /// <inheritdoc/>
    public double Score(Document document)
    {
        var text = document.Text.AsSpan();
        if (text.IsWhiteSpace())
            return 0;
        int prose = 0, visible = 0;
        foreach (var c in text)
        {
            prose += char.IsLetter(c) || c is ' ' or '\n' ? 1 : 0;
            visible++;
        }

        var counter = new WordCounter();
        foreach (var word in Words.Of(text))
            counter.Add(text[word]);

        var proseShare = (prose / (double)visible - 0.60) / 0.30;
        var length = Math.Log2(Math.Max(1, counter.Count) / 16.0) / 7;
        return 0.25 * Clip(proseShare)
            + 0.20 * Clip(SentenceShare(text))
            + 0.15 * Clip(counter.StopWordShare / 0.35)
            + 0.15 * Clip(length)
            + 0.15 * Clip(counter.ExplanationShare * 100 / 5)
            + 0.10 * Clip(counter.Variety / 0.5);
    }

    private static double SentenceShare(ReadOnlySpan<char> text)
    {
        long inSentences = 0, all = 0;
        foreach (var range in text.Split('\n'))
        {
            var line = text[range].Trim();
            all += line.Length;
            var end = line.TrimEnd(")\"'”’»*_");
            if (!end.IsEmpty && end[^1] is '.' or '!' or '?' or ':' or ';' or '。' or '！' or '？')
                inSentences += line.Length;
        }

        return all == 0 ? 0 : inSentences / (double)all;
    }

    private static double Clip(double value) => Math.Clamp(value, 0, 1);

    private static FrozenSet<string>.AlternateLookup<ReadOnlySpan<char>> Set(string words) =>
        words.Split(' ').ToFrozenSet(StringComparer.OrdinalIgnoreCase).GetAlternateLookup<ReadOnlySpan<char>>();

    private sealed class WordCounter
    {
        private readonly HashSet<string> _distinct = new(StringComparer.OrdinalIgnoreCase);
        private int _stopWords, _explanations;

        public int Count { get; private set; }

        public double StopWordShare => Count == 0 ? 0 : _stopWords / (double)Count;

        public double ExplanationShare => Count == 0 ? 0 : _explanations / (double)Count;

        public double Variety => Count == 0 ? 0 : _distinct.Count / (double)Math.Min(Count, VarietyWords);

        public void Add(ReadOnlySpan<char> word)
        {
            if (Count++ < VarietyWords)
                _distinct.GetAlternateLookup<ReadOnlySpan<char>>().Add(word);
            _stopWords += StopWords.Contains(word) ? 1 : 0;
            _explanations += Explanations.Contains(word) ? 1 : 0;
        }
    }
}
