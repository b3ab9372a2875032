using System.Collections.Concurrent;
using System.Net;
using Cluster.Collectives.Exchange;
using Microsoft.Extensions.Logging;

namespace Cluster.Silo.DataPlane;

/// <summary>
/// The process's data plane: every board of this process is served at an address, and every pair of replicas takes the shortest way
/// between them: in one process the board itself, on one host the peer's shared memory, else the connection.
/// </summary>
/// <param name="host">The address peers on other hosts reach this process at; loopback for one machine.</param>
/// <param name="mayShare">Whether peers' memory on this host may be mapped.</param>
/// <param name="logger">Told why a pair on one host falls back to its connection.</param>
public sealed partial class ExchangeHub(IPAddress host, bool mayShare = true, ILogger<ExchangeHub>? logger = null)
{
    private readonly ConcurrentDictionary<string, ExchangeBoard> _local = new(StringComparer.Ordinal);
    private readonly ConcurrentDictionary<TcpExchangeServer, string> _servers = new();

    /// <summary>Serves a board until the registration is disposed.</summary>
    public Registration Register(ExchangeBoard board, ReadOnlyMemory<byte> secret)
    {
        var server = new TcpExchangeServer(board, new IPEndPoint(host, 0), secret);
        var address = server.EndPoint.ToString();
        _local[address] = board;
        _servers[server] = address;
        return new Registration(this, server, address);
    }

    /// <summary>A link to the board at an address.</summary>
    public IPeerLink Connect(string address, ReadOnlyMemory<byte> secret) => _local.TryGetValue(address, out var board)
        ? new InProcessLink(board)
        : new RemoteLink(IPEndPoint.Parse(address), secret, mayShare, reason => LogNotShared(address, reason));

    /// <summary>Has something go wrong with every connection of peers to this process.</summary>
    public void Disturb(ConnectionFault fault)
    {
        foreach (var server in _servers.Keys)
            server.Disturb(fault);
    }

    private void LogNotShared(string address, string reason)
    {
        if (logger is not null)
            LogNotShared(logger, address, reason);
    }

    [LoggerMessage(LogLevel.Information, "Gradients of {Address} travel over TCP, not shared memory: {Reason}")]
    private static partial void LogNotShared(ILogger logger, string address, string reason);

    /// <summary>A served board.</summary>
    public sealed class Registration(ExchangeHub hub, TcpExchangeServer server, string address) : IAsyncDisposable
    {
        /// <summary>Where peers connect: IP:port.</summary>
        public string Address => address;

        /// <inheritdoc/>
        public ValueTask DisposeAsync()
        {
            hub._local.TryRemove(address, out _);
            hub._servers.TryRemove(server, out _);
            return server.DisposeAsync();
        }
    }
}
