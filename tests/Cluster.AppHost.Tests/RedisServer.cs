using System.Diagnostics;
using System.Globalization;
using Cluster.EndToEnd.Tests.Hosting;
using Cluster.ServiceDefaults;

namespace Cluster.AppHost.Tests;

/// <summary>A Redis of the test's own, on loopback, that keeps nothing.</summary>
internal sealed class RedisServer : IAsyncDisposable
{
    private readonly Process _process;

    private RedisServer(Process process, string address) => (_process, Address) = (process, address);

    /// <summary>HOST:PORT.</summary>
    public string Address { get; }

    /// <summary>Starts it.</summary>
    public static async Task<RedisServer> StartAsync()
    {
        var port = Ports.Free().ToString(CultureInfo.InvariantCulture);
        var start = new ProcessStartInfo(
            RedisFactAttribute.Server!, ["--port", port, "--bind", "127.0.0.1", "--save", "", "--dir", Path.GetTempPath()])
        {
            RedirectStandardOutput = true,
        };
        var server = new RedisServer(Process.Start(start)!, "127.0.0.1:" + port);
        while (await server._process.StandardOutput.ReadLineAsync() is { } line)
        {
            if (line.Contains("Ready to accept connections", StringComparison.Ordinal))
                return server;
        }

        throw new InvalidOperationException($"redis-server ended before it was ready at {server.Address}.");
    }

    public async ValueTask DisposeAsync()
    {
        _process.Kill();
        await _process.WaitForExitAsync();
        _process.Dispose();
    }
}
