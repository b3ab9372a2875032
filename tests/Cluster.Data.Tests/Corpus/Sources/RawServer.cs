using System.Net;
using System.Net.Sockets;
using System.Text;

namespace Cluster.Data.Tests.Corpus.Sources;

/// <summary>An HTTP server of which a test decides every byte: it can lie about lengths, stall and break off. One request for a connection.</summary>
internal sealed class RawServer : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<Request, Stream, CancellationToken, Task> _answer;
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private readonly List<Request> _requests = [];

    public RawServer(Func<Request, Stream, CancellationToken, Task> answer)
    {
        _answer = answer;
        _listener.Start();
        _loop = AcceptAsync();
    }

    public string Url => $"http://127.0.0.1:{((IPEndPoint)_listener.LocalEndpoint).Port}";

    public IReadOnlyList<Request> Requests
    {
        get
        {
            lock (_requests)
                return [.. _requests];
        }
    }

    /// <summary>Pages by path; anything else is 404.</summary>
    public static RawServer OfPages(Func<string, (string Status, string Headers, string Body)?> page) => new(async (request, stream, _) =>
    {
        var (status, headers, body) = page(request.Path) ?? ("404 Not Found", "", "no");
        await WriteAsync(stream, $"HTTP/1.1 {status}\r\nConnection: close\r\nContent-Length: {Encoding.UTF8.GetByteCount(body)}\r\n{headers}\r\n{body}");
    });

    public static Task WriteAsync(Stream stream, string text) => stream.WriteAsync(Encoding.UTF8.GetBytes(text)).AsTask();

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        _listener.Stop();
        await _loop;
        _stop.Dispose();
    }

    private async Task AcceptAsync()
    {
        var open = new List<Task>();
        try
        {
            while (true)
                open.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_stop.Token)));
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or InvalidOperationException)
        {
        }

        await Task.WhenAll(open);
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                var stream = client.GetStream();
                using var reader = new StreamReader(stream, Encoding.Latin1, leaveOpen: true);
                var first = (await reader.ReadLineAsync(_stop.Token) ?? "").Split(' ');
                var headers = new Dictionary<string, string>(StringComparer.OrdinalIgnoreCase);
                while (await reader.ReadLineAsync(_stop.Token) is { Length: > 0 } line)
                {
                    var colon = line.IndexOf(':', StringComparison.Ordinal);
                    headers[line[..colon]] = line[(colon + 1)..].Trim();
                }

                var body = "";
                if (headers.TryGetValue("Content-Length", out var length))
                {
                    var buffer = new char[int.Parse(length, System.Globalization.CultureInfo.InvariantCulture)];
                    await reader.ReadBlockAsync(buffer, _stop.Token);
                    body = new string(buffer);
                }
                else if (headers.ContainsKey("Transfer-Encoding"))
                {
                    var size = Convert.ToInt32(await reader.ReadLineAsync(_stop.Token), 16);
                    var buffer = new char[size];
                    await reader.ReadBlockAsync(buffer, _stop.Token);
                    body = new string(buffer);
                }

                var request = new Request(first[0], first.Length > 1 ? first[1] : "", headers, body);
                lock (_requests)
                    _requests.Add(request);
                await _answer(request, stream, _stop.Token);
            }
            catch (Exception error) when (error is IOException or OperationCanceledException)
            {
                // The client has enough, or the test is over.
            }
        }
    }

    public sealed record Request(string Method, string Path, IReadOnlyDictionary<string, string> Headers, string Body);
}
