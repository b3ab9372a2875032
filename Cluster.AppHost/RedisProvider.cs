using Aspire.Hosting.Orleans;

namespace Cluster.AppHost;

/// <summary>Any Redis as Orleans' provider, whoever runs it: of a connection string alone Aspire does not know what is behind it.</summary>
internal sealed class RedisProvider(IResourceBuilder<IResourceWithConnectionString> redis) : IProviderConfiguration
{
    /// <inheritdoc/>
    public void ConfigureResource<T>(IResourceBuilder<T> resourceBuilder, string configurationSectionPath)
        where T : IResourceWithEnvironment
    {
        var provider = $"Orleans__{configurationSectionPath.Replace(":", "__", StringComparison.Ordinal)}__";
        resourceBuilder.WithReference(redis)
            .WithEnvironment(provider + "ProviderType", "Redis")
            .WithEnvironment(provider + "ServiceKey", redis.Resource.Name);
    }
}
