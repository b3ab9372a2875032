using System.Net;
using System.Net.Sockets;
using System.Runtime.InteropServices;

namespace Cluster.Collectives.Exchange;

/// <summary>
/// A TCP socket as the data plane uses it: only ever by threads that block in the kernel, so that a byte's way is one wake-up and not
/// three: poller, pool, continuation (infra/adr/0009).
/// Enters: a connected socket. Leaves: whole frames and payloads. Does not know what they mean. One sender, one receiver.
/// </summary>
internal static class StreamSocket
{
    // tcp(7), from linux/in.h and linux/tcp.h.
    private const int Tcp = 6, Cork = 3, CongestionControl = 13;

    /// <summary>Sets a connected socket up: small frames go at once, and nothing is paced on its way through one host.</summary>
    public static void Prepare(Socket socket)
    {
        socket.NoDelay = true;
        if (!OperatingSystem.IsLinux() || (socket.LocalEndPoint, socket.RemoteEndPoint) is not (IPEndPoint local, IPEndPoint remote) ||
            !local.Address.Equals(remote.Address))
            return;
        try
        {
            // BBR, the default of many hosts, paces by a model of the path; within a host there is none, and timers cost half the speed.
            socket.SetRawSocketOption(Tcp, CongestionControl, "reno"u8);
        }
        catch (SocketException)
        {
            // A kernel that does not offer it: slower, not wrong.
        }
    }

    /// <summary>Sends a head and what follows it as one stream of full segments.</summary>
    public static void Send(Socket socket, ReadOnlySpan<byte> head, PartView payload)
    {
        if (payload.Count == 0)
        {
            socket.Send(head);
            return;
        }

        SetCork(socket, 1);
        socket.Send(head);
        for (var i = 0; i < payload.Count; i++)
            socket.Send(MemoryMarshal.AsBytes(payload[i].Span));
        SetCork(socket, 0);
    }

    /// <summary>Fills a buffer.</summary>
    /// <param name="heard">Told after every piece.</param>
    /// <exception cref="EndOfStreamException">The peer hung up before it was full.</exception>
    public static void ReceiveExactly(Socket socket, Span<byte> bytes, Action? heard = null)
    {
        while (bytes.Length > 0)
        {
            var got = socket.Receive(bytes);
            if (got == 0)
                throw new EndOfStreamException("the peer hung up");
            heard?.Invoke();
            bytes = bytes[got..];
        }
    }

    /// <summary>Ends a connection and every call that blocks on it; whoever made the socket disposes of it.</summary>
    public static void Wake(Socket socket)
    {
        try
        {
            socket.Shutdown(SocketShutdown.Both);
        }
        catch (SocketException)
        {
            // Not connected yet, or no more.
            socket.Dispose();
        }
        catch (ObjectDisposedException)
        {
            // It is over.
        }
    }

    private static void SetCork(Socket socket, int on)
    {
        if (OperatingSystem.IsLinux())
            socket.SetRawSocketOption(Tcp, Cork, MemoryMarshal.AsBytes(new ReadOnlySpan<int>(in on)));
    }
}
