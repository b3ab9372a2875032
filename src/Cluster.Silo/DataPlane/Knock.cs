using System.Net;
using System.Net.Sockets;

namespace Cluster.Silo.DataPlane;

/// <summary>Whether a process is gone, as its host tells it: nobody listens where its data plane was.</summary>
internal static class Knock
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(1);

    /// <summary>
    /// True if the connection is refused. A host that does not answer proves nothing, and a process that hangs is still listened for by
    /// its system: those are found otherwise.
    /// </summary>
    /// <param name="address">IP:port.</param>
    public static async Task<bool> IsGoneAsync(string address)
    {
        var endPoint = IPEndPoint.Parse(address);
        using var socket = new Socket(endPoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        using var limit = new CancellationTokenSource(s_limit);
        try
        {
            await socket.ConnectAsync(endPoint, limit.Token);
            return false;
        }
        catch (SocketException error)
        {
            return error.SocketErrorCode == SocketError.ConnectionRefused;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }
}
