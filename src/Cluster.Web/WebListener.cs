using System.Net;
using System.Net.Sockets;
using Microsoft.AspNetCore.Hosting;

namespace Cluster.Web;

/// <summary>A port that this process listens on already; <see cref="WebAddress.Take"/> makes it.</summary>
public sealed class WebListener : IDisposable
{
    private readonly Socket _socket;

    internal WebListener(Socket socket, IPAddress address, int port) => (_socket, Address) = (socket, At(address, port));

    /// <summary>Where the page will be.</summary>
    public Uri Address { get; }

    /// <summary>Has a server, and none but one, listen here; it closes the socket when it ends.</summary>
    public void Serve(IWebHostBuilder server)
    {
        server.UseUrls(Address.AbsoluteUri);
        server.UseSockets(options => options.CreateBoundListenSocket = _ => _socket);
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private static Uri At(IPAddress address, int port) => new UriBuilder(Uri.UriSchemeHttp, address.ToString(), port).Uri;
}
