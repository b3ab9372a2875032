using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Cluster.Core.Errors;
using Microsoft.Extensions.Configuration;

namespace Cluster.Web;

/// <summary>Where the page is served: on loopback, for nobody is asked who they are, unless <c>Cluster:WebAddress</c> says otherwise.</summary>
public static class WebAddress
{
    /// <summary>The port that is tried first when none was asked for.</summary>
    public const int DefaultPort = 8080;

    private const int Tries = 100;

    /// <summary>The port that was asked for by <c>Cluster:WebPort</c>, or null.</summary>
    /// <exception cref="UserErrorException">It is no port.</exception>
    public static int? Asked(IConfiguration configuration) =>
        configuration["Cluster:WebPort"] is { } text ? Port("Cluster:WebPort", text) : null;

    /// <summary>
    /// The address of this machine that was asked for by <c>Cluster:WebAddress</c>, else loopback. Another than loopback lets everybody in
    /// who can reach it: for a container whose network says who that is.
    /// </summary>
    /// <exception cref="UserErrorException">It is no address.</exception>
    public static IPAddress Interface(IConfiguration configuration) => configuration["Cluster:WebAddress"] is not { Length: > 0 } text
        ? IPAddress.Loopback
        : IPAddress.TryParse(text, out var address) ? address : throw new UserErrorException($"Cluster:WebAddress is \"{text}\".", "Give an IP address, 0.0.0.0 for all of this machine's.");

    /// <summary>Takes an address. It is this process's from now on: no other can take it between the choice and the server's start.</summary>
    /// <param name="asked">The port that must be it, 1–65535; null takes <see cref="DefaultPort"/> or the next free one after it.</param>
    /// <param name="listen">Listens on a port, or throws; null opens a socket.</param>
    /// <param name="on">The address, loopback if null.</param>
    /// <exception cref="UserErrorException">The port asked for cannot be had, or none can.</exception>
    public static WebListener Take(int? asked, Func<int, Socket>? listen = null, IPAddress? on = null)
    {
        on ??= IPAddress.Loopback;
        listen ??= free => Listen(on, free);
        if (asked is { } port)
        {
            if (port is < 1 or > 65_535)
                throw new UserErrorException($"The web port is {port}.", "Give a port from 1 to 65535.");
            try
            {
                return new WebListener(listen(port), on, port);
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.AccessDenied)
            {
                throw new UserErrorException(
                    $"Port {port} may not be opened by this user.", "Give a port from 1024 on, or none to let one be chosen.", error);
            }
            catch (SocketException error) when (error.SocketErrorCode == SocketError.AddressNotAvailable)
            {
                throw new UserErrorException($"{on} is no address of this machine.", "Give another as Cluster:WebAddress, or none for loopback.", error);
            }
            catch (SocketException error)
            {
                throw new UserErrorException(
                    $"Port {port} is occupied by another process.", "Give another port, or none to let a free one be chosen.", error);
            }
        }

        for (var next = DefaultPort; next < DefaultPort + Tries; next++)
        {
            try
            {
                return new WebListener(listen(next), on, next);
            }
            catch (SocketException)
            {
                // Another's.
            }
        }

        throw new UserErrorException($"No port from {DefaultPort} to {DefaultPort + Tries - 1} is free.", "Give a free one as Cluster:WebPort.");
    }

    /// <summary>Reads a port out of the configuration.</summary>
    /// <exception cref="UserErrorException">It is none.</exception>
    internal static int Port(string key, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65_536
            ? port
            : throw new UserErrorException($"{key} is \"{text}\".", "Give a port from 1 to 65535.");

    private static Socket Listen(IPAddress address, int port)
    {
        var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp);
        try
        {
            socket.Bind(new IPEndPoint(address, port));
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
}
