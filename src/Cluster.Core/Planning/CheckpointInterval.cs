namespace Cluster.Core.Planning;

/// <summary>
/// How often a run that falls back to its last checkpoint writes one, and what that costs. All times in one unit, all above 0; failures
/// come at exponentially distributed times.
/// </summary>
public static class CheckpointInterval
{
    /// <summary>√(2 δ M): Young, "A first order approximation to the optimum checkpoint interval", CACM 17(9), 1974.</summary>
    /// <param name="checkpoint">δ, for which training waits while one is written.</param>
    /// <param name="betweenFailures">M, the mean time between failures of the whole machine.</param>
    public static double Young(double checkpoint, double betweenFailures) => Math.Sqrt(2 * checkpoint * betweenFailures);

    /// <summary>
    /// √(2 δ M) · (1 + ⅓ √(δ / 2M) + ⅑ δ / 2M) − δ where δ &lt; 2M, else M: Daly, "A higher order estimate of the optimum checkpoint interval
    /// for restart dumps", FGCS 22, 2006, equation 37. It is the time of work between two checkpoints.
    /// </summary>
    /// <inheritdoc cref="Young" path="/param"/>
    public static double Daly(double checkpoint, double betweenFailures)
    {
        if (checkpoint >= 2 * betweenFailures)
            return betweenFailures;
        var ratio = checkpoint / (2 * betweenFailures);
        return Young(checkpoint, betweenFailures) * (1 + Math.Sqrt(ratio) / 3 + ratio / 9) - checkpoint;
    }

    /// <summary>
    /// Share of the time that is work, where every failure costs a restart and the work since the last checkpoint: τ / (M e^(R/M) (e^((τ+δ)/M) − 1)),
    /// the inverse of Daly's (2006) time to solution.
    /// </summary>
    /// <param name="interval">τ, of work between two checkpoints.</param>
    /// <param name="checkpoint">δ.</param>
    /// <param name="restart">R, from a failure until work goes on from the checkpoint.</param>
    /// <param name="betweenFailures">M.</param>
    public static double Goodput(double interval, double checkpoint, double restart, double betweenFailures) =>
        interval / (betweenFailures * Math.Exp(restart / betweenFailures) * (Math.Exp((interval + checkpoint) / betweenFailures) - 1));
}
