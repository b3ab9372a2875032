using System.Diagnostics;
using System.Threading.Channels;
using Cluster.Cli.Hosting;
using Cluster.ServiceDefaults;

namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>A process that is followed by what it writes.</summary>
internal sealed class LineProcess : IAsyncDisposable
{
    private static readonly TimeSpan s_limit = TimeSpan.FromSeconds(120);
    private readonly Process _process;
    private readonly Channel<string> _lines = Channel.CreateUnbounded<string>();
    private readonly List<string> _seen = [];

    private LineProcess(string program, IEnumerable<string> arguments, IReadOnlyDictionary<string, string?>? environment = null)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment ?? new Dictionary<string, string?>())
            start.Environment[name] = value;
        _process = Process.Start(start)!;
        Pid = _process.Id;
        Exited = ReadAsync();
    }

    public int Pid { get; }

    /// <summary>Its exit code.</summary>
    public Task<int> Exited { get; }

    /// <summary>This repository's program, as an argument of dotnet.</summary>
    public static string Program => typeof(CommandLine).Assembly.Location;

    public static LineProcess Start(string program, params IEnumerable<string> arguments) => new(program, arguments);

    /// <summary>With more in its environment.</summary>
    public static LineProcess Start(IReadOnlyDictionary<string, string?> environment, string program, params IEnumerable<string> arguments) =>
        new(program, arguments, environment);

    /// <summary>This repository's program.</summary>
    public static LineProcess Cluster(params IEnumerable<string> arguments) => Start("dotnet", arguments.Prepend(Program));

    /// <summary>The same, with more in its environment.</summary>
    public static LineProcess Cluster(IReadOnlyDictionary<string, string?> environment, params IEnumerable<string> arguments) =>
        Start(environment, "dotnet", arguments.Prepend(Program));

    /// <summary>Runs this repository's program to its end.</summary>
    public static async Task<(int Code, string Text)> RunAsync(params IEnumerable<string> arguments)
    {
        await using var process = Cluster(arguments);
        var code = await process.Exited.WaitAsync(s_limit);
        return (code, await process.RestAsync());
    }

    /// <summary>The next line that holds a text.</summary>
    public async Task<string> WaitForAsync(string text)
    {
        using var limit = new CancellationTokenSource(s_limit);
        try
        {
            await foreach (var line in _lines.Reader.ReadAllAsync(limit.Token))
            {
                _seen.Add(line);
                if (line.Contains(text, StringComparison.Ordinal))
                    return line;
            }
        }
        catch (OperationCanceledException)
        {
            // Said below.
        }

        Assert.Fail($"\"{text}\" did not come; this came:\n{string.Join('\n', _seen)}");
        return "";
    }

    /// <summary>All that it has still to say.</summary>
    public async Task<string> RestAsync()
    {
        var rest = new List<string>();
        await foreach (var line in _lines.Reader.ReadAllAsync())
            rest.Add(line);
        return string.Join('\n', rest);
    }

    /// <summary>SIGTERM, and its end; gives the exit code.</summary>
    public Task<int> EndAsync()
    {
        Posix.Terminate(Pid);
        return Exited.WaitAsync(s_limit);
    }

    /// <summary>SIGKILL.</summary>
    public void Kill() => _process.Kill();

    public async ValueTask DisposeAsync()
    {
        if (!_process.HasExited)
            _process.Kill();
        await Exited;
        _process.Dispose();
    }

    private async Task<int> ReadAsync()
    {
        await Task.WhenAll(CopyAsync(_process.StandardOutput), CopyAsync(_process.StandardError));
        await _process.WaitForExitAsync();
        _lines.Writer.Complete();
        return _process.ExitCode;
    }

    private async Task CopyAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
            _lines.Writer.TryWrite(line);
    }
}
