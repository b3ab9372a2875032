using System.Text;

namespace Cluster.Data.Corpus.Quality;

/// <summary>Takes paragraphs out of a text by the score of a classifier.</summary>
internal static class Paragraphs
{
    /// <summary>
    /// The text without the paragraphs that are <paramref name="unwanted"/>; the same string if none is. Those of fewer words than
    /// <paramref name="fewestWords"/> stay: so little says nothing.
    /// </summary>
    public static string Without(TextView view, TextClassifier classifier, int fewestWords, Func<double, bool> unwanted)
    {
        var text = view.Text;
        StringBuilder? kept = null;
        var from = 0;
        var paragraphs = view.Paragraphs;
        for (var i = 0; i < paragraphs.Length; i++)
        {
            ref readonly var paragraph = ref paragraphs[i];
            if (paragraph.Words < fewestWords || !unwanted(classifier.Score(view.Words.Slice(paragraph.FirstWord, paragraph.Words))))
                continue;
            (kept ??= new StringBuilder(text.Length)).Append(text, from, paragraph.Start - from);
            from = i + 1 < paragraphs.Length ? paragraphs[i + 1].Start : text.Length;
        }

        return kept is null ? text : kept.Append(text, from, text.Length - from).ToString().TrimEnd('\n');
    }
}
