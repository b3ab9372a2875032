using System.Reflection;

namespace Cluster.Silo.Hosting;

/// <summary>The version of this build; silos of different ones do not train together.</summary>
internal static class ProgramVersion
{
    /// <summary>With the commit it was built from, where the build knew it.</summary>
    public static string Value { get; } = typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "0";
}
