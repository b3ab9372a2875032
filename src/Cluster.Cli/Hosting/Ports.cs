using System.Net;
using System.Net.Sockets;

namespace Cluster.Cli.Hosting;

/// <summary>Loopback ports.</summary>
public static class Ports
{
    /// <summary>One that nobody listens on now; whoever takes it must still expect that another process was quicker.</summary>
    public static int Free()
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        return ((IPEndPoint)listener.LocalEndpoint).Port;
    }
}
