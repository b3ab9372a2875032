namespace Cluster.Data.Corpus.Quality;

/// <summary>How well a classifier tells documents apart.</summary>
/// <param name="Positive">Documents that are of the kind.</param>
/// <param name="Negative">Documents that are not.</param>
/// <param name="Threshold">Score from which a document is taken for one of the kind.</param>
/// <param name="Precision">Share of those taken for the kind that are; 1 if none is taken.</param>
/// <param name="Recall">Share of the kind that is taken for it; 1 if there is none.</param>
/// <param name="Auc">Area under the receiver operating characteristic: the odds that one of the kind scores above another, equal scores
/// counting half.</param>
public sealed record ClassifierMeasures(int Positive, int Negative, double Threshold, double Precision, double Recall, double Auc)
{
    /// <summary>Measures scores.</summary>
    /// <param name="positive">Of documents of the kind.</param>
    /// <param name="negative">Of the others.</param>
    /// <param name="threshold">In [0, 1].</param>
    public static ClassifierMeasures Of(IReadOnlyList<double> positive, IReadOnlyList<double> negative, double threshold = 0.5)
    {
        var right = positive.Count(score => score >= threshold);
        var wrong = negative.Count(score => score >= threshold);
        return new ClassifierMeasures(
            positive.Count, negative.Count, threshold,
            right + wrong == 0 ? 1 : right / (double)(right + wrong),
            positive.Count == 0 ? 1 : right / (double)positive.Count,
            AreaUnderCurve(positive, negative));
    }

    /// <summary>By ranks (Mann and Whitney 1947): of equal scores each has their mean rank. 0.5 if one side is empty.</summary>
    private static double AreaUnderCurve(IReadOnlyList<double> positive, IReadOnlyList<double> negative)
    {
        if (positive.Count == 0 || negative.Count == 0)
            return 0.5;
        (double Score, bool IsPositive)[] all = [.. positive.Select(score => (score, true)), .. negative.Select(score => (score, false))];
        Array.Sort(all, (a, b) => a.Score.CompareTo(b.Score));
        // Doubled, so that mean ranks are whole numbers.
        long ranks = 0;
        for (var i = 0; i < all.Length;)
        {
            var j = i;
            while (j < all.Length && all[j].Score == all[i].Score)
                j++;
            for (var k = i; k < j; k++)
                ranks += all[k].IsPositive ? i + 1 + j : 0;
            i = j;
        }

        long p = positive.Count, n = negative.Count;
        return (ranks - p * (p + 1)) / (2.0 * p * n);
    }
}
