using System.Net;
using System.Net.Sockets;
using Cluster.Core.Errors;
using Microsoft.AspNetCore.Builder;

namespace Cluster.Web.Tests.Hosting;

[Collection(LiveClusterCollection.Name)]
public class WebProcessTests(LiveCluster cluster)
{
    [Fact]
    public async Task Create_GatewayOfASilo_ServesThatClustersRuns()
    {
        await cluster.ReportAsync("through the gateway");
        await using var app = WebProcess.Create(Arguments(WebHost.FreePort(), cluster.GatewayPort), out var address);
        await app.StartAsync();
        using var http = new HttpClient { BaseAddress = address };

        Assert.Contains("\"through the gateway\"", await http.GetStringAsync("/api/runs"), StringComparison.Ordinal);
        Assert.StartsWith("Healthy", await http.GetStringAsync("/health"), StringComparison.Ordinal);
        await app.StopAsync();
    }

    [Fact]
    public async Task Create_NoSilo_PageAndLivenessButNotReady()
    {
        await using var app = WebProcess.Create(Arguments(WebHost.FreePort(), WebHost.FreePort()), out var address);
        using var end = new CancellationTokenSource();
        var start = app.StartAsync(end.Token); // ends when a silo answers: never
        using var http = new HttpClient(new SocketsHttpHandler { ConnectCallback = ConnectAsync }) { BaseAddress = address };

        Assert.Equal("Healthy", await http.GetStringAsync("/alive"));
        using var health = await http.GetAsync("/health");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, health.StatusCode);
        Assert.Contains("the cluster does not answer", await health.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        using var runs = await http.GetAsync("/api/runs");
        Assert.Equal(HttpStatusCode.ServiceUnavailable, runs.StatusCode);
        Assert.Equal("application/problem+json", runs.Content.Headers.ContentType!.MediaType);
        Assert.Contains("Nothing is being trained", await http.GetStringAsync("/"), StringComparison.Ordinal);
        Assert.False(start.IsCompleted);

        await end.CancelAsync();
        await Assert.ThrowsAnyAsync<Exception>(() => start);
    }

    [Fact]
    public async Task RunAsync_AskedPortOccupied_OneParagraphAndExitCode1()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        var error = Console.Error;
        using var written = new StringWriter();
        Console.SetError(written);
        try
        {
            Assert.Equal(1, await WebProcess.RunAsync(Arguments(port, cluster.GatewayPort)));
        }
        finally
        {
            Console.SetError(error);
        }

        Assert.Equal($"Port {port} is occupied by another process. Give another port, or none to let a free one be chosen.{Environment.NewLine}", written.ToString());
    }

    [Theory]
    [InlineData("Cluster:WebPort", "x")]
    [InlineData("Cluster:WebPort", "0")]
    [InlineData("Cluster:WebPort", "65536")]
    [InlineData("Cluster:PrimaryGatewayPort", "-1")]
    public void Create_NoPort_NamesKeyAndValue(string key, string value)
    {
        var error = Assert.Throws<UserErrorException>(() => WebProcess.Create([$"--{key}={value}"], out _));

        Assert.Equal($"{key} is \"{value}\". Give a port from 1 to 65535.", error.Message);
    }

    private static string[] Arguments(int webPort, int gatewayPort) => [$"--Cluster:WebPort={webPort}", $"--Cluster:PrimaryGatewayPort={gatewayPort}"];

    /// <summary>Connects as soon as somebody listens.</summary>
    private static async ValueTask<Stream> ConnectAsync(SocketsHttpConnectionContext context, CancellationToken cancellation)
    {
        while (true)
        {
            var socket = new Socket(SocketType.Stream, ProtocolType.Tcp);
            try
            {
                await socket.ConnectAsync(context.DnsEndPoint, cancellation);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.ConnectionRefused)
            {
                socket.Dispose();
                await Task.Yield();
            }
        }
    }
}
