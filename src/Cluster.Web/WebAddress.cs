using System.Globalization;
using System.Net;
using System.Net.Sockets;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;
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
    public static HttpSocket Take(int? asked, Func<int, Socket>? listen = null, IPAddress? on = null)
    {
        on ??= IPAddress.Loopback;
        listen ??= port => HttpSocket.Listen(new IPEndPoint(on, port));
        if (asked is { } port)
        {
            return port is >= 1 and <= 65_535
                ? HttpSocket.Take(on, port, "none", at => listen(at.Port))
                : throw new UserErrorException($"The web port is {port}.", "Give a port from 1 to 65535.");
        }

        return HttpSocket.TakeFirstFree(on, Enumerable.Range(DefaultPort, Tries), at => listen(at.Port)) ?? throw new UserErrorException(
            $"No port from {DefaultPort} to {DefaultPort + Tries - 1} is free.", "Give a free one as Cluster:WebPort.");
    }

    /// <summary>Reads a port out of the configuration.</summary>
    /// <exception cref="UserErrorException">It is none.</exception>
    internal static int Port(string key, string text) =>
        int.TryParse(text, NumberStyles.None, CultureInfo.InvariantCulture, out var port) && port is > 0 and < 65_536
            ? port
            : throw new UserErrorException($"{key} is \"{text}\".", "Give a port from 1 to 65535.");
}
