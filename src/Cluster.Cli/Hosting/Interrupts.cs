// Enters: presses of Ctrl-C and the wish of the system to end. Leaves: a cancelled token, or the process's end.
// Does not know: what is cancelled.

using System.Runtime.InteropServices;

namespace Cluster.Cli.Hosting;

/// <summary>
/// Ctrl-C once asks whoever is at work to stop at a good place, twice ends the process at once. Nothing is intercepted before
/// <see cref="Listen"/>, so that hosts which bring a handler of their own are left alone.
/// </summary>
/// <param name="exit">Ends the process with a code.</param>
public sealed class Interrupts(Action<int> exit) : IDisposable
{
    /// <summary>Exit code of a process that Ctrl-C ended: 128 + SIGINT.</summary>
    public const int InterruptedCode = 130;

    private const int TerminatedCode = 143;
    private readonly Lock _gate = new();
    private readonly CancellationTokenSource _source = new();
    private readonly Stack<Func<bool>> _handlers = new();
    private readonly List<PosixSignalRegistration> _registrations = [];

    /// <summary>Cancelled by the first press that no handler takes.</summary>
    public CancellationToken Token => _source.Token;

    /// <summary>What the process ends with after <see cref="Token"/> was cancelled: 130 for Ctrl-C, 143 for SIGTERM.</summary>
    public int ExitCode { get; private set; } = InterruptedCode;

    /// <summary>Takes Ctrl-C and SIGTERM from here on.</summary>
    public CancellationToken Listen()
    {
        lock (_gate)
        {
            if (_registrations.Count == 0)
            {
                Register(PosixSignal.SIGINT, InterruptedCode);
                Register(PosixSignal.SIGTERM, TerminatedCode);
            }
        }

        return Token;
    }

    /// <summary>Asked before the token is cancelled, the latest first; one that returns true has dealt with the press.</summary>
    /// <returns>Ends the asking.</returns>
    public IDisposable Handle(Func<bool> handler)
    {
        lock (_gate)
            _handlers.Push(handler);
        return new Scope(this);
    }

    /// <summary>As if Ctrl-C was pressed.</summary>
    /// <param name="code">What the process is to end with.</param>
    public void Press(int code = InterruptedCode)
    {
        Func<bool>[] handlers;
        lock (_gate)
            handlers = [.. _handlers];
        if (_source.IsCancellationRequested)
        {
            exit(code);
            return;
        }

        if (Array.Exists(handlers, handler => handler()))
            return;
        ExitCode = code;
        _source.Cancel();
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (var registration in _registrations)
            registration.Dispose();
        _source.Dispose();
    }

    private void Register(PosixSignal signal, int code) => _registrations.Add(PosixSignalRegistration.Create(signal, context =>
    {
        context.Cancel = true;
        Press(code);
    }));

    private sealed class Scope(Interrupts owner) : IDisposable
    {
        public void Dispose()
        {
            lock (owner._gate)
                owner._handlers.Pop();
        }
    }
}
