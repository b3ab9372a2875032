using Cluster.Data.Tokens;

namespace Cluster.Data.Tests.Tokens;

public sealed class FixedRowsTests
{
    private static readonly FixedRows Rows = new(3, padId: 9);

    [Fact]
    public void Fit_ShortSample_IsPaddedWithMaskZero()
    {
        var row = Rows.Fit([1, 2], [1, 1]);
        Assert.Equal([1, 2, 9], row.Ids);
        Assert.Equal([1, 1, 0], row.Mask);
    }

    [Fact]
    public void Fit_LongSample_IsTruncatedWithItsMask()
    {
        var row = Rows.Fit([1, 2, 3, 4], [0, 1, 0, 1]);
        Assert.Equal([1, 2, 3], row.Ids);
        Assert.Equal([0, 1, 0], row.Mask);
    }

    [Fact]
    public void Fit_UnequalLengths_Throws() => Assert.Throws<ArgumentException>(() => Rows.Fit([1, 2], [1]));

    [Fact]
    public void Constructor_LengthZero_Throws() => Assert.Throws<ArgumentOutOfRangeException>(() => new FixedRows(0, 9));
}
