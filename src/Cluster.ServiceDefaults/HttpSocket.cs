using System.Net;
using System.Net.Sockets;
using Cluster.Core.Errors;
using Microsoft.AspNetCore.Hosting;

namespace Cluster.ServiceDefaults;

/// <summary>A port for HTTP that this process listens on already: no other can take it between the choice and the server's start.</summary>
public sealed class HttpSocket : IDisposable
{
    private readonly Socket _socket;

    /// <param name="socket">Listens.</param>
    /// <param name="address">Where.</param>
    public HttpSocket(Socket socket, IPEndPoint address) => (_socket, Address) = (socket, At(address));

    /// <summary>Where it will be served.</summary>
    public Uri Address { get; }

    /// <summary>Takes a port.</summary>
    /// <param name="address">Of which interface.</param>
    /// <param name="port">The port that must be it.</param>
    /// <param name="otherwise">What to give for a port that is chosen, for the remedy.</param>
    /// <param name="listen">Listens at an address, or throws; null opens a socket.</param>
    /// <exception cref="UserErrorException">It cannot be had.</exception>
    public static HttpSocket Take(IPAddress address, int port, string otherwise, Func<IPEndPoint, Socket>? listen = null)
    {
        try
        {
            var endPoint = new IPEndPoint(address, port);
            return new HttpSocket((listen ?? Listen)(endPoint), endPoint);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.AccessDenied)
        {
            throw new UserErrorException(
                $"Port {port} may not be opened by this user.", $"Give a port from 1024 on, or {otherwise} to let one be chosen.", error);
        }
        catch (SocketException error) when (error.SocketErrorCode == SocketError.AddressNotAvailable)
        {
            throw NotHere(address, error);
        }
        catch (SocketException error)
        {
            throw new UserErrorException(
                $"Port {port} is occupied by another process.", $"Give another port, or {otherwise} to let a free one be chosen.", error);
        }
    }

    /// <summary>
    /// Takes the first free port of some, or null if none is. Not one that the system would choose: those are also what connections
    /// are made from, and what other listeners of this process were promised.
    /// </summary>
    /// <param name="address">Of which interface.</param>
    /// <param name="ports">In the order in which they are tried.</param>
    /// <param name="listen">Listens at an address, or throws; null opens a socket.</param>
    /// <exception cref="UserErrorException">The address is not this machine's.</exception>
    public static HttpSocket? TakeFirstFree(IPAddress address, IEnumerable<int> ports, Func<IPEndPoint, Socket>? listen = null)
    {
        foreach (var port in ports)
        {
            try
            {
                var endPoint = new IPEndPoint(address, port);
                return new HttpSocket((listen ?? Listen)(endPoint), endPoint);
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.AddressNotAvailable)
            {
                throw NotHere(address, error);
            }
            catch (SocketException)
            {
                // Another's.
            }
        }

        return null;
    }

    /// <summary>Opens a socket that listens.</summary>
    public static Socket Listen(IPEndPoint address)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(address);
            // Two may bind to one port before either listens.
            socket.Listen();
            return socket;
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }

    /// <summary>Has a server, and none but one, listen here; it closes the socket when it ends.</summary>
    public void Serve(IWebHostBuilder server)
    {
        server.UseUrls(Address.AbsoluteUri);
        server.UseSockets(options => options.CreateBoundListenSocket = _ => _socket);
    }

    /// <inheritdoc/>
    public void Dispose() => _socket.Dispose();

    private static UserErrorException NotHere(IPAddress address, SocketException error) =>
        new($"{address} is no address of this machine.", "Give one that is, or 0.0.0.0 for all.", error);

    private static Uri At(IPEndPoint address) => new($"{Uri.UriSchemeHttp}://{address}/");
}
