namespace Cluster.Collectives.Reduction;

// In: a total and a number of parts. Out: contiguous parts whose sizes differ by at most one, the larger ones first.
// It does not know what is split; lanes and slices both are.
internal static class EvenSplit
{
    /// <summary>Start and size of part <paramref name="index"/> of <paramref name="parts"/>.</summary>
    public static (int Start, int Count) Part(int total, int parts, int index)
    {
        var (size, larger) = Math.DivRem(total, parts);
        return (index * size + Math.Min(index, larger), size + (index < larger ? 1 : 0));
    }

    /// <summary>The part that holds <paramref name="item"/>; the inverse of <see cref="Part"/>.</summary>
    public static int PartOf(int total, int parts, int item)
    {
        var (size, larger) = Math.DivRem(total, parts);
        var inLarger = larger * (size + 1);
        return item < inLarger ? item / (size + 1) : larger + (item - inLarger) / size;
    }
}
