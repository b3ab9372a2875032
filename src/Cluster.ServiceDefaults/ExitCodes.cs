namespace Cluster.ServiceDefaults;

/// <summary>How a process of the cluster ends when it does not do its work. The numbers are those of sysexits.h where it has one that fits.</summary>
public static class ExitCodes
{
    /// <summary>It was told to end.</summary>
    public const int Done = 0;

    /// <summary>Something that it was given is wrong: starting it again changes nothing.</summary>
    public const int Mistake = 1;

    /// <summary>EX_UNAVAILABLE: a store did not answer for as long as was to be waited. It can be started again when there is one.</summary>
    public const int StoreUnreachable = 69;

    /// <summary>EX_TEMPFAIL: another process listens where this one should. It can be started again with another port.</summary>
    public const int PortOccupied = 75;
}
