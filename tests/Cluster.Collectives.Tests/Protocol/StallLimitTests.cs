using Cluster.Collectives.Protocol;

namespace Cluster.Collectives.Tests.Protocol;

public class StallLimitTests
{
    private static TimeSpan Ms(double ms) => TimeSpan.FromMilliseconds(ms);

    [Fact]
    public void Value_FollowsTheSlowestOfTheLastStepsWithinItsBounds()
    {
        var limit = new StallLimit(first: Ms(60_000), least: Ms(2_000), most: Ms(30_000));
        Assert.Equal(Ms(60_000), limit.Value);
        limit.Observe(Ms(300));
        Assert.Equal(Ms(2_000), limit.Value);
        limit.Observe(Ms(5_000));
        Assert.Equal(Ms(10_000), limit.Value);
        for (var i = 0; i < 31; i++)
            limit.Observe(Ms(1_500));
        Assert.Equal(Ms(10_000), limit.Value);
        limit.Observe(Ms(1_500));
        Assert.Equal(Ms(3_000), limit.Value);
        limit.Observe(Ms(50_000));
        Assert.Equal(Ms(30_000), limit.Value);
    }
}
