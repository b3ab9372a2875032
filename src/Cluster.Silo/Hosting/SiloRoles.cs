using Cluster.Core.Errors;
using Microsoft.Extensions.Configuration;
using Orleans.Runtime.MembershipService.SiloMetadata;

namespace Cluster.Silo.Hosting;

/// <summary>What a silo is there for: <c>Cluster:Roles</c>, by commas. Other silos see it as metadata under <see cref="Key"/>.</summary>
public static class SiloRoles
{
    /// <summary>Name of the metadata.</summary>
    public const string Key = "roles";

    /// <summary>Computes gradients.</summary>
    public const string Training = "training";

    /// <summary>Generates text.</summary>
    public const string Inference = "inference";

    /// <summary>Curates and tokenizes.</summary>
    public const string Data = "data";

    private static readonly string[] s_all = [Training, Inference, Data];

    /// <summary>Whether a silo has a role, as far as its metadata has come here.</summary>
    internal static bool Has(ISiloMetadataCache metadata, SiloAddress silo, string role) =>
        metadata.GetSiloMetadata(silo).Metadata.TryGetValue(Key, out var roles) && roles.Split(',').Contains(role, StringComparer.Ordinal);

    /// <summary>The roles of a silo; all of them if nothing is said.</summary>
    /// <exception cref="UserErrorException">One is unknown.</exception>
    public static IReadOnlyList<string> Of(IConfiguration configuration)
    {
        var names = (configuration["Cluster:Roles"] ?? "").Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
        if (Array.Find(names, name => !s_all.Contains(name, StringComparer.Ordinal)) is { } unknown)
            throw new UserErrorException($"Cluster:Roles names \"{unknown}\".", $"Give some of {string.Join(", ", s_all)}, separated by commas.");
        return names.Length == 0 ? s_all : [.. names.Distinct(StringComparer.Ordinal)];
    }
}
