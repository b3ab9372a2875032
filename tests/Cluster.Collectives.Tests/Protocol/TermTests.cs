using Cluster.Collectives.Protocol;

namespace Cluster.Collectives.Tests.Protocol;

public class TermTests
{
    [Fact]
    public void Next_SameCountOtherNonce_DiffersAndBothAreHigher()
    {
        var first = Term.Next(0, 5);
        var (a, b) = (Term.Next(first, 3), Term.Next(first, 4));
        Assert.NotEqual(a, b);
        Assert.True(a > first && b > first);
        Assert.Equal((1L, 2L, 2L), (Term.Count(first), Term.Count(a), Term.Count(b)));
        Assert.True(Term.Next(a, 0) > b);
    }
}
