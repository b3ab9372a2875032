using Cluster.Collectives.Protocol;

namespace Cluster.Collectives.Simulation;

/// <summary>
/// A key of a store with versions: a write happens only if the writer names the version that is there (0: nothing). Versions are
/// never used twice, also not after a loss of data.
/// </summary>
internal sealed class SimulatedStore
{
    private readonly List<(CoordinatorRecord? Record, long Version)> _history = [(null, 0)];
    private long _versions;

    /// <summary>What is there.</summary>
    public (CoordinatorRecord? Record, long Version) Content => _history[^1];

    /// <summary>Whether it answers.</summary>
    public int Outages { get; set; }

    /// <summary>Whether anything was ever written.</summary>
    public bool EverWritten => _versions > 0;

    /// <summary>Whether data was lost.</summary>
    public bool LostData => Losses > 0;

    /// <summary>How often data was lost.</summary>
    public int Losses { get; private set; }

    public bool Write(CoordinatorRecord record, long onVersion, bool unconditional)
    {
        if (Content.Version != onVersion && !unconditional)
            return false;
        _history.Add((record, ++_versions));
        return true;
    }

    public void Rollback(int writes)
    {
        Losses += _history.Count > 1 ? 1 : 0;
        _history.RemoveRange(Math.Max(1, _history.Count - writes), Math.Min(_history.Count - 1, writes));
    }

    public void Empty()
    {
        Losses += _history.Count > 1 ? 1 : 0;
        _history.Clear();
        _history.Add((null, 0));
    }
}
