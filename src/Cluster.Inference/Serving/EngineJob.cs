using Cluster.Inference.Generation;
using Cluster.Inference.Scheduling;

namespace Cluster.Inference.Serving;

/// <summary>A request under way in an engine.</summary>
public abstract class EngineJob
{
    private readonly InferenceEngine _engine;
    private volatile object? _finish;
    private long _steps;

    private protected EngineJob(InferenceEngine engine, ScheduledRequest request) => (_engine, Request) = (engine, request);

    /// <summary>Why it ended; null while it goes on.</summary>
    public FinishReason? Finish => (FinishReason?)_finish;

    internal ScheduledRequest Request { get; }

    internal CancellationTokenRegistration Registration { get; set; }

    /// <summary>The span that it was asked for in, if that is traced.</summary>
    internal System.Diagnostics.Activity? Trace { get; init; }

    /// <summary>Steps that it was computed in, where it is traced.</summary>
    internal ref long Steps => ref _steps;

    /// <summary>Whether it was taken out of the queue once.</summary>
    internal bool Begun { get; set; }

    /// <summary>Ends it; its blocks are free before the next step. Nothing if it is over already.</summary>
    public void Cancel() => _engine.Cancel(this);

    internal void Complete(FinishReason finish, Exception? error)
    {
        _finish = finish;
        Tell(finish, error);
        // Not Dispose: that would wait for a callback that may wait for the engine.
        Registration.Unregister();
    }

    /// <summary>Tells whoever waits for it that it is over.</summary>
    private protected abstract void Tell(FinishReason finish, Exception? error);
}
