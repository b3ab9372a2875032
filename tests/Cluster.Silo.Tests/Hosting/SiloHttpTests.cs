using System.Net;
using System.Net.Sockets;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Configuration;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;

namespace Cluster.Silo.Tests.Hosting;

public class SiloHttpTests
{
    [Fact]
    public async Task Probes_FromBeforeTheStartUntilAfterTheEnd_ReadyOnlyAsAMember()
    {
        var builder = Builder("Cluster:HttpPort=0", $"Orleans:Endpoints:SiloPort={FreePort()}", $"Orleans:Endpoints:GatewayPort={FreePort()}");
        builder.AddServiceDefaults();
        SiloProcess.Configure(builder);
        using var socket = builder.AddSiloHttp()!;
        using var host = builder.Build();
        await using var probes = await ProbeServer.StartAsync(socket, host.Services);
        using var http = new HttpClient { BaseAddress = socket.Address };

        Assert.Equal("Healthy", await http.GetStringAsync("/alive"));
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "Unhealthy\nsilo: Unhealthy, the silo is no member of the cluster: None"), await HealthAsync(http));

        await host.StartAsync();
        Assert.Equal((HttpStatusCode.OK, "Healthy\nsilo: Healthy"), await HealthAsync(http));
        Assert.Contains("orleans_", await http.GetStringAsync("/metrics"), StringComparison.Ordinal);
        using var foreign = new HttpRequestMessage(HttpMethod.Get, "/metrics") { Headers = { Host = "example.org" } };
        using var refused = await http.SendAsync(foreign);
        Assert.Equal(HttpStatusCode.BadRequest, refused.StatusCode);

        host.Services.GetRequiredService<IHostApplicationLifetime>().StopApplication();
        Assert.Equal((HttpStatusCode.ServiceUnavailable, "Unhealthy\nsilo: Unhealthy, the silo is leaving"), await HealthAsync(http));
        await host.StopAsync();
        Assert.Equal("Healthy", await http.GetStringAsync("/alive"));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await HealthAsync(http)).Item1);
    }

    [Fact]
    public void AddSiloHttp_NoPort_Nothing() => Assert.Null(Builder().AddSiloHttp());

    [Theory]
    [InlineData("Cluster:HttpPort is \"x\". Give a port from 1 to 65535, or 0 to let a free one be chosen.", "Cluster:HttpPort=x")]
    [InlineData("Cluster:HttpPort is \"65536\".", "Cluster:HttpPort=65536")]
    [InlineData("Cluster:HttpAddress is \"here\". Give an IP address of this machine, or 0.0.0.0 for all.", "Cluster:HttpPort=0", "Cluster:HttpAddress=here")]
    [InlineData("192.0.2.1 is no address of this machine.", "Cluster:HttpPort=0", "Cluster:HttpAddress=192.0.2.1")]
    public void AddSiloHttp_ValueOfNoUse_NamesIt(string expected, params string[] settings) =>
        Assert.StartsWith(expected, Assert.Throws<UserErrorException>(() => Builder(settings).AddSiloHttp()).Message, StringComparison.Ordinal);

    [Fact]
    public void AddSiloHttp_PortOccupied_SaysHowToHaveOneChosen()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;

        var error = Assert.Throws<UserErrorException>(() => Builder($"Cluster:HttpPort={port}").AddSiloHttp());

        Assert.Equal($"Port {port} is occupied by another process. Give another port, or Cluster:HttpPort=0 to let a free one be chosen.", error.Message);
    }

    [Fact]
    public void AddSiloHttp_AllAddresses_ListensThere()
    {
        using var socket = Builder("Cluster:HttpPort=0", "Cluster:HttpAddress=0.0.0.0").AddSiloHttp()!;

        Assert.Equal("0.0.0.0", socket.Address.Host);
        Assert.InRange(socket.Address.Port, 9_464, 9_963);
    }

    [Fact]
    public void AddSiloHttp_TwoAtOnce_TwoPorts()
    {
        using var first = Builder("Cluster:HttpPort=0").AddSiloHttp()!;
        using var second = Builder("Cluster:HttpPort=0").AddSiloHttp()!;

        Assert.NotEqual(first.Address, second.Address);
    }

    private static async Task<(HttpStatusCode, string)> HealthAsync(HttpClient http)
    {
        using var answer = await http.GetAsync("/health");
        return (answer.StatusCode, await answer.Content.ReadAsStringAsync());
    }

    private static HostApplicationBuilder Builder(params string[] settings)
    {
        var builder = Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings());
        builder.Configuration.AddInMemoryCollection(settings.Select(setting => setting.Split('=', 2)).ToDictionary(pair => pair[0], pair => (string?)pair[1]));
        return builder;
    }

    private static int FreePort() => Ports.Free();
}
