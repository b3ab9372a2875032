namespace Cluster.Collectives.Exchange;

/// <summary>What can be made to go wrong with the connections of a server, for tests of what follows.</summary>
public enum ConnectionFault
{
    /// <summary>All of them are closed.</summary>
    Close,

    /// <summary>The next frame of each has a wrong byte.</summary>
    CorruptFrame,
}
