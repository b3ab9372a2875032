using System.Threading.Channels;
using Cluster.Inference.Generation;
using Cluster.Inference.Scheduling;

namespace Cluster.Inference.Serving;

/// <summary>One reply under way in an engine. Its tokens wait for whoever reads them, however slowly; the engine does not.</summary>
public sealed class EngineReply
{
    private readonly InferenceEngine _engine;
    private readonly Channel<GeneratedToken> _tokens =
        Channel.CreateUnbounded<GeneratedToken>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private volatile object? _finish;
    private long _steps;

    internal EngineReply(InferenceEngine engine, int choice, GenerationState state, ScheduledRequest request) =>
        (_engine, Choice, State, Request) = (engine, choice, state, request);

    /// <summary>Which of the replies to the prompt, from 0.</summary>
    public int Choice { get; }

    /// <summary>
    /// The tokens as they are drawn. Completes when the reply is over, with <see cref="Finish"/> set; with the exception if it failed.
    /// </summary>
    public ChannelReader<GeneratedToken> Tokens => _tokens.Reader;

    /// <summary>Why the reply ended; null while it goes on.</summary>
    public FinishReason? Finish => (FinishReason?)_finish;

    internal GenerationState State { get; }

    internal ScheduledRequest Request { get; }

    internal CancellationTokenRegistration Registration { get; set; }

    /// <summary>When its last token came, or null before the first.</summary>
    internal long? LastToken { get; set; }

    /// <summary>The span that it was asked for in, if that is traced.</summary>
    internal System.Diagnostics.Activity? Trace { get; init; }

    /// <summary>Steps that it was computed in, where it is traced.</summary>
    internal ref long Steps => ref _steps;

    /// <summary>Whether it was taken out of the queue once.</summary>
    internal bool Begun { get; set; }

    /// <summary>Ends the reply; its blocks are free before the next step. Nothing if it is over already.</summary>
    public void Cancel() => _engine.Cancel(this);

    internal void Write(GeneratedToken token) => _tokens.Writer.TryWrite(token);

    internal void Complete(FinishReason finish, Exception? error)
    {
        _finish = finish;
        _tokens.Writer.TryComplete(error);
        // Not Dispose: that would wait for a callback that may wait for the engine.
        Registration.Unregister();
    }
}
