using Cluster.Silo.Training;

namespace Cluster.Silo.Tests.Training;

public class StepAuditTests
{
    // Step s has 10 + s tokens.
    private readonly StepAudit _audit = new(step => 10 + step);

    [Fact]
    public void Applied_EachStepOnce_NothingLostNothingRepeated()
    {
        for (var step = 0; step < 5; step++)
            _audit.Applied(step);
        _audit.Stands(9); // copied from a peer
        _audit.Applied(9);
        _audit.Stands(2); // back to an earlier state: what follows belongs to it
        _audit.Applied(2);
        _audit.Stands(-1); // a newcomer without a state
        _audit.Stands(7);
        _audit.Applied(7);

        Assert.Equal((0, 0), (_audit.Lost, _audit.Repeated));
    }

    [Fact]
    public void Applied_WithStepsLeftOut_TheirTokensAreLost()
    {
        _audit.Stands(3);
        _audit.Applied(3);
        _audit.Applied(6);
        _audit.Applied(7);

        Assert.Equal((14 + 15, 0), (_audit.Lost, _audit.Repeated));
    }

    [Fact]
    public void Applied_AStepAgain_ItsTokensAreRepeated()
    {
        _audit.Applied(0);
        _audit.Applied(1);
        _audit.Applied(0);
        _audit.Applied(2);

        Assert.Equal((0, 10), (_audit.Lost, _audit.Repeated));
    }
}
