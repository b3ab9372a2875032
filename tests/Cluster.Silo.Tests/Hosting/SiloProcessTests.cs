using System.Net;
using Cluster.Collectives.Exchange;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Cluster.Silo.DataPlane;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Orleans.Configuration;

namespace Cluster.Silo.Tests.Hosting;

public class SiloProcessTests
{
    [Theory]
    [InlineData("Orleans:Clustering:ProviderType=Consul", "Orleans:Clustering:ProviderType is \"Consul\".")]
    [InlineData("Orleans:Clustering:ProviderType=Redis", "Orleans:GrainStorage:Default:ProviderType is missing")]
    [InlineData("Orleans:Clustering:ProviderType=Redis;Orleans:GrainStorage:Default:ProviderType=Memory", "Orleans:GrainStorage:Default:ProviderType is \"Memory\"")]
    [InlineData("Orleans:Clustering:ProviderType=Redis;Orleans:Clustering:ServiceKey=redis", "ConnectionStrings:redis is missing")]
    [InlineData("Orleans:Clustering:ProviderType=Redis;Orleans:Clustering:ServiceKey=redis;ConnectionStrings:redis=,password=secret", "ConnectionStrings:redis is no address")]
    [InlineData("Orleans:Endpoints:SiloPort=0", "Orleans:Endpoints:SiloPort is \"0\". Give a port from 1 to 65535.")]
    [InlineData("Cluster:DataPlaneAddress=here", "Cluster:DataPlaneAddress is \"here\". Give an IP address.")]
    [InlineData("Cluster:Roles=training,cooking", "Cluster:Roles names \"cooking\". Give some of training, inference, data, separated by commas.")]
    [InlineData("Cluster:SiloName=a|b", "Cluster:SiloName is \"a|b\".")]
    public void Configure_ValueOfNoUse_NamesKeyAndValue(string settings, string expected)
    {
        var error = Assert.Throws<UserErrorException>(() => SiloProcess.Configure(Builder(settings)));

        Assert.StartsWith(expected, error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain("secret", error.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", "127.0.0.2:")]
    [InlineData("Cluster:DataPlaneAddress=127.0.0.3", "127.0.0.3:")]
    public async Task DataPlane_IsWhereTheSiloIs_UnlessToldOtherwise(string settings, string expected)
    {
        var builder = Builder(settings);
        SiloProcess.Configure(builder);
        builder.Services.Configure<EndpointOptions>(options => options.AdvertisedIPAddress = IPAddress.Parse("127.0.0.2"));
        using var host = builder.Build();

        await using var registration = host.Services.GetRequiredService<ExchangeHub>().Register(new ExchangeBoard(1), new byte[32]);

        Assert.StartsWith(expected, registration.Address, StringComparison.Ordinal);
    }

    [Fact]
    public async Task CheckStores_NobodyListens_NamesTheAddressWithoutItsPassword()
    {
        var builder = Builder("Orleans:Clustering:ServiceKey=redis;ConnectionStrings:redis=127.0.0.1:1,password=secret,connectTimeout=50,asyncTimeout=50,syncTimeout=50");
        builder.AddStores();
        using var host = builder.Build();

        var error = await Assert.ThrowsAsync<UserErrorException>(() => host.Services.CheckStoresAsync());

        Assert.Equal(
            "The store at 127.0.0.1:1 (ConnectionStrings:redis) does not answer. Start it there, or give the address of a Redis or Valkey that runs.", error.Message);
    }

    [Theory]
    [InlineData("", "training,inference,data")]
    [InlineData("Cluster:Roles=data, training,data", "data,training")]
    public void Roles_AsConfigured_OrAll(string settings, string expected)
    {
        Assert.Equal(expected, string.Join(',', SiloRoles.Of(Builder(settings).Configuration)));
    }

    private static HostApplicationBuilder Builder(string settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(settings.Split(';', StringSplitOptions.RemoveEmptyEntries)
            .Select(setting => setting.Split('=', 2)).ToDictionary(pair => pair[0], pair => (string?)pair[1]));
        return builder;
    }
}
