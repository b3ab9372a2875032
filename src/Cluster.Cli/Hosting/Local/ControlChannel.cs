// Enters: requests of other commands of this user. Leaves: the supervisor's answers. Does not know: what is asked.

using System.Net.Sockets;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Core.Runs;

namespace Cluster.Cli.Hosting.Local;

/// <summary>A request to the supervisor.</summary>
/// <param name="Verb">What to do.</param>
public sealed record ControlRequest(string Verb)
{
    /// <summary>Start one more silo.</summary>
    public const string AddSilo = "add_silo";
}

/// <summary>Its answer.</summary>
public sealed record ControlAnswer
{
    /// <summary>The silo that was started.</summary>
    public LocalProcess? Silo { get; init; }

    /// <summary>Why it was not, as a sentence.</summary>
    public string? Error { get; init; }

    /// <summary>What to do about it.</summary>
    public string? Remedy { get; init; }
}

/// <summary>
/// The way to the supervisor: a Unix domain socket that only this user can open, a line of JSON each way for a connection.
/// </summary>
internal sealed class ControlChannel : IAsyncDisposable
{
    // sockaddr_un holds 104 bytes on macOS, 108 on Linux, an ending zero included.
    private const int LongestPath = 100;
    private const UnixFileMode OwnerOnly = UnixFileMode.UserRead | UnixFileMode.UserWrite;

    private readonly Socket _listener;
    private readonly string _path;
    private readonly string? _temporary;
    private readonly Func<ControlRequest, CancellationToken, Task<ControlAnswer>> _answer;
    private readonly CancellationTokenSource _end = new();
    private Task _serving = Task.CompletedTask;

    /// <summary>Listens; nobody is answered before <see cref="Serve"/>.</summary>
    /// <param name="folder">Where the socket is made, unless that path is too long for one.</param>
    /// <param name="answer">Answers a request.</param>
    public ControlChannel(string folder, Func<ControlRequest, CancellationToken, Task<ControlAnswer>> answer)
    {
        _answer = answer;
        _path = System.IO.Path.Combine(folder, "control");
        if (Encoding.UTF8.GetByteCount(_path) > LongestPath)
        {
            _temporary = Directory.CreateTempSubdirectory("cluster-").FullName;
            _path = System.IO.Path.Combine(_temporary, "control");
        }

        File.Delete(_path);
        _listener = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        _listener.Bind(new UnixDomainSocketEndPoint(_path));
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(_path, OwnerOnly);
        _listener.Listen();
    }

    /// <summary>Where requests are taken.</summary>
    public string Path => _path;

    /// <summary>Begins to answer.</summary>
    public void Serve() => _serving = ServeAsync();

    /// <summary>Asks the supervisor behind a socket.</summary>
    /// <exception cref="UserErrorException">It is gone, or refuses.</exception>
    public static async Task<ControlAnswer> AskAsync(string path, ControlRequest request, CancellationToken cancellation)
    {
        using var socket = new Socket(AddressFamily.Unix, SocketType.Stream, ProtocolType.Unspecified);
        try
        {
            await socket.ConnectAsync(new UnixDomainSocketEndPoint(path), cancellation);
            await using var stream = new NetworkStream(socket);
            await stream.WriteAsync(Encoding.UTF8.GetBytes(RunJson.Line(request) + "\n"), cancellation);
            using var reader = new StreamReader(stream);
            var line = await reader.ReadLineAsync(cancellation) ?? throw new IOException("The connection was closed without an answer.");
            var answer = RunJson.Parse<ControlAnswer>(line, "The cluster's answer");
            return answer.Error is null ? answer : throw new UserErrorException(answer.Error, answer.Remedy ?? "");
        }
        catch (Exception error) when (error is SocketException or IOException)
        {
            throw new UserErrorException(
                "The cluster's own process does not answer.", "It is about to end, or was stopped; look at it where `cluster up` runs.", error);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        await _end.CancelAsync();
        _listener.Dispose();
        await _serving;
        _end.Dispose();
        File.Delete(_path);
        if (_temporary is not null)
            Directory.Delete(_temporary);
    }

    private async Task ServeAsync()
    {
        var open = new List<Task>();
        try
        {
            while (true)
            {
                var socket = await _listener.AcceptAsync(_end.Token);
                open.RemoveAll(task => task.IsCompleted);
                open.Add(AnswerAsync(socket));
            }
        }
        catch (Exception error) when (error is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            await Task.WhenAll(open);
        }
    }

    private async Task AnswerAsync(Socket socket)
    {
        try
        {
            await using var stream = new NetworkStream(socket, ownsSocket: true);
            using var reader = new StreamReader(stream);
            var request = RunJson.Parse<ControlRequest>(await reader.ReadLineAsync(_end.Token) ?? "", "The request");
            ControlAnswer answer;
            try
            {
                answer = await _answer(request, _end.Token);
            }
            catch (UserErrorException error)
            {
                answer = new ControlAnswer { Error = error.What, Remedy = error.Remedy };
            }

            await stream.WriteAsync(Encoding.UTF8.GetBytes(RunJson.Line(answer) + "\n"), _end.Token);
        }
        catch (Exception error) when (error is IOException or OperationCanceledException or UserErrorException)
        {
            // Whoever asked has gone, or said nothing that can be read.
        }
    }
}
