using System.Diagnostics;
using Cluster.Core.Faults;

namespace Cluster.Silo.Faults;

/// <summary>What a ledger tells.</summary>
public enum LedgerEvent
{
    /// <summary>A lane's gradient was computed.</summary>
    Computed,

    /// <summary>A step was known to be committed.</summary>
    Committed,

    /// <summary>A step was applied.</summary>
    Applied,

    /// <summary>A fault is about to happen.</summary>
    Fault,
}

/// <summary>
/// A line of a silo's ledger: what its replicas did, written before anything can follow from it, so that it outlives the process.
/// </summary>
/// <param name="Event">What.</param>
/// <param name="Seconds">When: on a clock that all processes of the machine share.</param>
/// <param name="Job">Of which job: run/stage.</param>
/// <param name="Member">Which life of a replica.</param>
/// <param name="Step">Counted from 0.</param>
/// <param name="Lane">Which lane was computed.</param>
/// <param name="Fault">Which fault.</param>
public sealed record LedgerEntry(LedgerEvent Event, double Seconds, string Job, string Member, long Step, int? Lane = null, Fault? Fault = null)
{
    /// <summary>Now, in seconds, on that clock.</summary>
    public static double Now => Stopwatch.GetTimestamp() / (double)Stopwatch.Frequency;
}
