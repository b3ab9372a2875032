namespace Cluster.Silo.Training;

/// <summary>Ends a stage when validation has not got better for a while; a pure function of the losses in order.</summary>
/// <param name="patience">Validations without a better loss after which to stop; 0 never stops.</param>
/// <param name="best">The best loss so far, or null.</param>
/// <param name="without">Validations since.</param>
internal sealed class EarlyStop(int patience, double? best, int without)
{
    /// <summary>The best loss so far, or null.</summary>
    public double? Best { get; private set; } = best;

    /// <summary>Validations since the best.</summary>
    public int Without { get; private set; } = without;

    /// <summary>Whether to stop.</summary>
    public bool Stops => patience > 0 && Without >= patience;

    /// <summary>Takes the next loss.</summary>
    public void Receive(double loss)
    {
        if (Best is null || loss < Best)
            (Best, Without) = (loss, 0);
        else
            Without++;
    }
}
