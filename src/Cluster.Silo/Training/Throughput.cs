namespace Cluster.Silo.Training;

/// <summary>Tokens per second over the last moments; pure: the time is handed in.</summary>
internal sealed class Throughput
{
    private const double Window = 10;
    private readonly Queue<(double Seconds, long Tokens)> _marks = new();

    /// <summary>Takes the tokens trained on so far and returns the rate over the last ten seconds; 0 before there are two marks.</summary>
    /// <param name="seconds">Rising.</param>
    /// <param name="tokens">Not falling.</param>
    public double Mark(double seconds, long tokens)
    {
        _marks.Enqueue((seconds, tokens));
        while (_marks.Count > 2 && _marks.Peek().Seconds < seconds - Window)
            _marks.Dequeue();
        var (since, before) = _marks.Peek();
        return seconds > since ? (tokens - before) / (seconds - since) : 0;
    }

    /// <summary>Forgets what was: a halt is no part of the rate.</summary>
    public void Restart() => _marks.Clear();
}
