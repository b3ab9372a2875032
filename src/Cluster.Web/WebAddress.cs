using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Cluster.Core.Errors;
using Microsoft.Extensions.Configuration;

namespace Cluster.Web;

/// <summary>Where the page is served: always on loopback, for nobody is asked who they are.</summary>
public static class WebAddress
{
    /// <summary>The port that is tried first when none was asked for.</summary>
    public const int DefaultPort = 8080;

    private const int Tries = 100;

    /// <summary>The port that was asked for by <c>Cluster:WebPort</c>, or null.</summary>
    /// <exception cref="UserErrorException">It is no port.</exception>
    public static int? Asked(IConfiguration configuration) =>
        configuration["Cluster:WebPort"] is { } text ? Port("Cluster:WebPort", text) : null;

    /// <summary>Chooses an address that is free now. Whoever listens on it must still expect that another process was quicker.</summary>
    /// <param name="asked">The port that must be it, 1–65535; null takes <see cref="DefaultPort"/> or the next free one after it.</param>
    /// <param name="probe">Tries a loopback port and says what came of it; null opens a socket.</param>
    /// <exception cref="UserErrorException">The port asked for cannot be had, or none can.</exception>
    public static Uri Choose(int? asked, Func<int, SocketError>? probe = null)
    {
        probe ??= Probe;
        if (asked is { } port)
        {
            if (port is < 1 or > 65_535)
                throw new UserErrorException($"The web port is {port}.", "Give a port from 1 to 65535.");
            return probe(port) switch
            {
                SocketError.Success => At(port),
                SocketError.AccessDenied => throw new UserErrorException(
                    $"Port {port} may not be opened by this user.", "Give a port from 1024 on, or none to let one be chosen."),
                _ => throw Occupied(port),
            };
        }

        for (var next = DefaultPort; next < DefaultPort + Tries; next++)
        {
            if (probe(next) == SocketError.Success)
                return At(next);
        }

        throw new UserErrorException($"No port from {DefaultPort} to {DefaultPort + Tries - 1} is free.", "Give a free one as Cluster:WebPort.");
    }

    /// <summary>Says that a port that was asked for is taken.</summary>
    internal static UserErrorException Occupied(int port, Exception? inner = null) =>
        new($"Port {port} is occupied by another process.", "Give another port, or none to let a free one be chosen.", inner);

    /// <summary>Reads a port out of the configuration.</summary>
    /// <exception cref="UserErrorException">It is none.</exception>
    internal static int Port(string key, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65_536
            ? port
            : throw new UserErrorException($"{key} is \"{text}\".", "Give a port from 1 to 65535.");

    private static Uri At(int port) => new UriBuilder(Uri.UriSchemeHttp, IPAddress.Loopback.ToString(), port).Uri;

    private static SocketError Probe(int port)
    {
        using var listener = new TcpListener(IPAddress.Loopback, port);
        try
        {
            listener.Start();
            return SocketError.Success;
        }
        catch (SocketException error)
        {
            return error.SocketErrorCode;
        }
    }
}
