using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;
using Cluster.Contracts.Training;

namespace Cluster.Silo.Training;

/// <summary>The plan that a silo's steps are begun by: it came with one of them, and the others name it.</summary>
internal sealed class HeldPlan
{
    private PlanMessage? _plan;
    private Roster _members = [];
    private LaneAssignment? _assignment;

    /// <summary>The step as its replicas are to begin it; null where it names another plan than the one that is here.</summary>
    public BeginStep? Begin(BeginStepMessage begin)
    {
        // Messages overtake each other: an earlier plan than the one that is here is of no more use.
        if (begin.Plan is { } plan && (_plan is null || (plan.Term, plan.Number).CompareTo((_plan.Term, _plan.Number)) > 0))
            (_plan, _members, _assignment) = (plan, plan.ToRoster(), plan.ToAssignment());
        return _plan is not null && (_plan.Term, _plan.Number) == (begin.Term, begin.PlanNumber)
            ? new BeginStep(begin.Term, begin.Generation, begin.Step, _members, _assignment!, begin.Committed.ToRecord())
            : null;
    }
}
