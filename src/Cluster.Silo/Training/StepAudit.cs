namespace Cluster.Silo.Training;

/// <summary>
/// Checks, apart from the protocol that promises it, that a replica's state takes in every step once and in order. Enters: where the state
/// stands, each step as it is applied. Leaves: tokens that were left out or taken twice; both stay at 0, and an alert says where not.
/// </summary>
/// <param name="tokens">Tokens of a step.</param>
internal sealed class StepAudit(Func<long, long> tokens)
{
    private long _next, _lost, _repeated;

    /// <summary>Tokens of steps that were passed over.</summary>
    public long Lost => Volatile.Read(ref _lost);

    /// <summary>Tokens of steps applied to a state that had them already.</summary>
    public long Repeated => Volatile.Read(ref _repeated);

    /// <summary>The state is another one now: loaded, or copied from a peer.</summary>
    /// <param name="steps">Steps that it has applied; less than 0 where there is none yet.</param>
    public void Stands(long steps) => _next = Math.Max(0, steps);

    /// <summary>A step is applied.</summary>
    public void Applied(long step)
    {
        for (; _next < step; _next++)
            Volatile.Write(ref _lost, _lost + tokens(_next));
        if (step < _next)
            Volatile.Write(ref _repeated, _repeated + tokens(step));
        _next = Math.Max(_next, step + 1);
    }
}
