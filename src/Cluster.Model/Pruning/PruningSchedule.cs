namespace Cluster.Model.Pruning;

/// <summary>
/// How the pruned share grows over training steps: s(t) = s_f · (1 − (1 − t/T)³), fast while there is much to spare and slow at the end
/// (Zhu and Gupta, "To prune, or not to prune", 2017, equation 1, with s_i = 0 and t_0 = 0). The first half of the steps prunes,
/// the other half recovers. Pure.
/// </summary>
/// <param name="share">At the end, 0–1.</param>
/// <param name="steps">Steps of training in all; 0 prunes at once.</param>
public sealed class PruningSchedule(double share, long steps)
{
    private const int Events = 20;

    private readonly long _ramp = steps / 2;

    /// <summary>The share after so many steps.</summary>
    public double this[long step] => step >= _ramp ? share : share * (1 - Math.Pow(1 - (double)step / _ramp, 3));

    /// <summary>Whether more is pruned after so many steps: about 20 times, and at the end of the ramp.</summary>
    public bool PrunesAt(long step) => step == _ramp || (step > 0 && step < _ramp && step % Math.Max(1, _ramp / Events) == 0);
}
