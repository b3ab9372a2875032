using System.Collections.Concurrent;
using System.Net;
using Cluster.Collectives.Exchange;

namespace Cluster.Silo.DataPlane;

/// <summary>
/// The process's data plane: every board of this process is served over TCP and known by its address, so that peers in the same
/// process reach it by memory copies and all others over a socket.
/// </summary>
/// <param name="host">The address peers on other hosts reach this process at; loopback for one machine.</param>
public sealed class ExchangeHub(IPAddress host)
{
    private readonly ConcurrentDictionary<string, ExchangeBoard> _local = new(StringComparer.Ordinal);

    /// <summary>Serves a board until the registration is disposed.</summary>
    public Registration Register(ExchangeBoard board, ReadOnlyMemory<byte> secret)
    {
        var server = new TcpExchangeServer(board, new IPEndPoint(host, 0), secret);
        var address = server.EndPoint.ToString();
        _local[address] = board;
        return new Registration(this, server, address);
    }

    /// <summary>A link to the board at an address.</summary>
    public IPeerLink Connect(string address, ReadOnlyMemory<byte> secret) =>
        _local.TryGetValue(address, out var board) ? new InProcessLink(board) : new TcpLink(IPEndPoint.Parse(address), secret);

    /// <summary>A served board.</summary>
    public sealed class Registration(ExchangeHub hub, TcpExchangeServer server, string address) : IAsyncDisposable
    {
        /// <summary>Where peers connect: IP:port.</summary>
        public string Address => address;

        /// <inheritdoc/>
        public ValueTask DisposeAsync()
        {
            hub._local.TryRemove(address, out _);
            return server.DisposeAsync();
        }
    }
}
