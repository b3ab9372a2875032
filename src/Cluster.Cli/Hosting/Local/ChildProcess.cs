// Enters: a verb of this program and its environment. Leaves: that program as a child, its lines, its end. Does not know: clusters.

using System.Diagnostics;
using System.Text;
using Cluster.Core.Errors;
using Cluster.ServiceDefaults;

namespace Cluster.Cli.Hosting.Local;

/// <summary>This program once more, as a child that ends with this process; see <see cref="SupervisedProcess"/>.</summary>
internal sealed class ChildProcess : IDisposable
{
    private const int LinesKept = 4;
    private readonly Process _process;
    private readonly string _name, _log;
    private readonly Action<string> _onLine;
    private readonly StreamWriter _writer;
    private readonly Lock _gate = new();
    private readonly Queue<string> _last = new();
    private readonly TaskCompletionSource<(string Address, string? Http)> _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);

    private ChildProcess(Process process, string name, string log, Action<string> onLine)
    {
        (_process, _name, _log, _onLine) = (process, name, log, onLine);
        var file = new FileStream(log, FileMode.Append, FileAccess.Write, FileShare.ReadWrite);
        _writer = new StreamWriter(file, new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true };
        // A child that is gone before it can be looked at still has its number until this process has asked for its exit code.
        Identity = ProcessIdentity.Of(process.Id) ?? new ProcessIdentity(process.Id, "");
        Exited = WatchAsync();
    }

    /// <summary>Which process it is.</summary>
    public ProcessIdentity Identity { get; }

    /// <summary>Its exit code, once it has ended and its last line was read; 128 + the signal that ended it.</summary>
    public Task<int> Exited { get; }

    /// <param name="name">Name in the child's <see cref="ReadyLine"/>.</param>
    /// <param name="arguments">A verb and its arguments.</param>
    /// <param name="environment">Beside what this process has.</param>
    /// <param name="log">File that its lines are added to.</param>
    /// <param name="onLine">Gets each line.</param>
    public static ChildProcess Start(
        string name, IReadOnlyList<string> arguments, IReadOnlyDictionary<string, string?> environment, string log, Action<string> onLine)
    {
        var start = new ProcessStartInfo
        {
            RedirectStandardInput = true,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
            StandardErrorEncoding = Encoding.UTF8,
            // Not the user's folder, whose appsettings.json would be read.
            WorkingDirectory = AppContext.BaseDirectory,
        };
        var program = Environment.ProcessPath ?? throw new InvalidOperationException("This process has no path.");
        start.FileName = program;
        if (Path.GetFileNameWithoutExtension(program) == "dotnet")
            start.ArgumentList.Add(typeof(ChildProcess).Assembly.Location);
        foreach (var argument in arguments)
            start.ArgumentList.Add(argument);
        foreach (var (key, value) in environment)
            start.Environment[key] = value;
        start.Environment[SupervisedProcess.Variable] = "1";
        return new ChildProcess(Process.Start(start)!, name, log, onLine);
    }

    /// <summary>Waits for the ready line.</summary>
    /// <returns>Where it listens, and where it serves HTTP besides.</returns>
    /// <exception cref="UserErrorException">It ended, or did not come that far in time.</exception>
    public async Task<(string Address, string? Http)> WaitUntilReadyAsync(TimeSpan limit, CancellationToken cancellation)
    {
        try
        {
            return await _ready.Task.WaitAsync(limit, cancellation);
        }
        catch (TimeoutException error)
        {
            throw new UserErrorException($"{_name} was not up within {limit.TotalSeconds:0} s.", $"{_log} may say why.", error);
        }
    }

    /// <summary>Asks it to end well.</summary>
    public void Terminate()
    {
        if (!Exited.IsCompleted)
            Posix.Terminate(Identity.Pid);
    }

    /// <summary>Asks it to end well and ends it if it does not.</summary>
    public async Task StopAsync(TimeSpan patience)
    {
        Terminate();
        try
        {
            await Exited.WaitAsync(patience);
        }
        catch (TimeoutException)
        {
            _process.Kill();
            await Exited;
        }
    }

    /// <summary>Ends it at once.</summary>
    public void Kill()
    {
        if (!Exited.IsCompleted)
            _process.Kill();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _process.Dispose();
        _writer.Dispose();
    }

    private async Task<int> WatchAsync()
    {
        await Task.WhenAll(ReadAsync(_process.StandardOutput), ReadAsync(_process.StandardError));
        await _process.WaitForExitAsync();
        var code = _process.ExitCode;
        string last;
        lock (_gate)
            last = string.Join(' ', _last);
        _ready.TrySetException(new UserErrorException(
            $"{_name} ended before it was up (exit code {code}){(last.Length == 0 ? "." : $": {last.TrimEnd('.')}.")}", $"{_log} has what it said."));
        // Whoever does not wait for the ready line learns of the end by Exited.
        _ = _ready.Task.Exception;
        return code;
    }

    private async Task ReadAsync(StreamReader reader)
    {
        while (await reader.ReadLineAsync() is { } line)
        {
            lock (_gate)
            {
                _writer.WriteLine(line);
                _last.Enqueue(line);
                if (_last.Count > LinesKept)
                    _last.Dequeue();
            }

            if (ReadyLine.Addresses(line, _name) is { } addresses)
                _ready.TrySetResult(addresses);
            else
                _onLine(line);
        }
    }
}
