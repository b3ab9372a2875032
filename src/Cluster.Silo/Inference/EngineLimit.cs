namespace Cluster.Silo.Inference;

/// <summary>How many engines a silo has, and how many it may have.</summary>
internal sealed class EngineLimit(int most)
{
    private readonly Lock _gate = new();

    /// <summary>Engines that there are.</summary>
    public int Count { get; private set; }

    /// <summary>Most that there may be, but for those that replace another.</summary>
    public int Most => most;

    /// <summary>Takes a place; false if all are taken.</summary>
    /// <param name="replaces">Whether it is for an engine that takes over from another one, which is ended for it.</param>
    public bool TryTake(bool replaces)
    {
        lock (_gate)
        {
            if (!replaces && Count >= most)
                return false;
            Count++;
            return true;
        }
    }

    /// <summary>Gives a place back.</summary>
    public void Return()
    {
        lock (_gate)
            Count--;
    }
}
