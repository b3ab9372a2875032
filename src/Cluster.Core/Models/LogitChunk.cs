namespace Cluster.Core.Models;

/// <summary>
/// Rows of logits at a time: the largest divisor of the rows whose logits stay under 2^24 elements (32 MB in bf16), so that the
/// three products and the softmax between them find them in the last cache level; part of the numerical program.
/// </summary>
public static class LogitChunk
{
    private const int Elements = 1 << 24;

    /// <param name="rows">Tokens of a micro-batch, at least 1.</param>
    /// <param name="vocabulary">Ids, at least 1.</param>
    public static int RowsOf(int rows, int vocabulary)
    {
        var most = Math.Max(1, Elements / vocabulary);
        for (var parts = 1; ; parts++)
        {
            if (rows % parts == 0 && rows / parts <= most)
                return rows / parts;
        }
    }
}
