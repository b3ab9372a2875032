using System.Text.Json.Serialization;

namespace Cluster.Cli.Diagnostics;

/// <summary>How a check went.</summary>
public enum CheckStatus
{
    /// <summary>As it should be.</summary>
    Ok,

    /// <summary>Works, but not as well as it could.</summary>
    Warning,

    /// <summary>Training cannot work.</summary>
    Failure,
}

/// <summary>One thing that was looked at.</summary>
/// <param name="Name">What, in snake_case.</param>
/// <param name="Value">What was found.</param>
/// <param name="Status">How good that is.</param>
/// <param name="Remedy">What to do, one sentence; null where nothing needs doing.</param>
public sealed record DoctorCheck(string Name, string Value, CheckStatus Status, string? Remedy = null);

/// <summary>What <c>doctor</c> found.</summary>
/// <param name="Status">The worst of the checks.</param>
/// <param name="Checks">In a fixed order.</param>
public sealed record DoctorReport(CheckStatus Status, IReadOnlyList<DoctorCheck> Checks)
{
    /// <summary>The checks that stand in the way of training.</summary>
    [JsonIgnore]
    public IEnumerable<DoctorCheck> Failures => Checks.Where(check => check.Status == CheckStatus.Failure);

    /// <summary>A report of these checks.</summary>
    public static DoctorReport Of(IReadOnlyList<DoctorCheck> checks) => new(checks.Max(check => check.Status), checks);
}

/// <summary>What to look at.</summary>
/// <param name="RunsFolder">Where runs will be written.</param>
/// <param name="Ports">Ports of the silo, its gateway and the page.</param>
public sealed record DoctorOptions(string RunsFolder, IReadOnlyList<int> Ports)
{
    /// <summary>The ports that are used if nothing else is said.</summary>
    public static IReadOnlyList<int> UsualPorts { get; } = [11_111, 30_000, 8_080];
}
