using Cluster.Collectives.Protocol;
using Cluster.Collectives.Reduction;

namespace Cluster.Collectives.Simulation;

/// <summary>
/// How one activation divides lanes from step to step: as long as nobody comes, leaves or changes its speed, lanes do not return to a
/// division that they have left. (Where members have no lanes their speeds are not known, and trying them is no mistake.)
/// </summary>
internal sealed class DivisionWatch(LaneBalanceOptions options)
{
    private readonly HashSet<LaneAssignment> _left = [];
    private BeginStep? _last;
    private int _speeds, _steadySteps;

    /// <summary>A BEGIN is said, perhaps again.</summary>
    /// <param name="begin">The BEGIN.</param>
    /// <param name="speeds">How often any process has changed its speed so far.</param>
    public void Begun(BeginStep begin, int speeds)
    {
        if (_last is { } before && (before.Term, before.Generation, before.Step) == (begin.Term, begin.Generation, begin.Step))
            return;
        var isSteady = _last is { } last && (last.Term, last.Generation, _speeds) == (begin.Term, begin.Generation, speeds);
        if (!isSteady)
        {
            _left.Clear();
            _steadySteps = 0;
        }
        // What was seen before it was steady may still decide for so many steps.
        else if (++_steadySteps > options.Window + options.Persistence + 1 && !_last!.Assignment.Equals(begin.Assignment)
            && begin.Assignment.Lanes >= begin.Members.Count)
        {
            if (_left.Contains(begin.Assignment))
                InvariantChecker.Broken($"at step {begin.Step} the lanes return to {begin.Assignment} from {_last.Assignment}, though nobody has changed its speed");
            _left.Add(_last.Assignment);
        }

        (_last, _speeds) = (begin, speeds);
    }
}
