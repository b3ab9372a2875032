using System.Threading.Channels;
using Cluster.Inference.Generation;
using Cluster.Inference.Scheduling;

namespace Cluster.Inference.Serving;

/// <summary>One reply under way in an engine. Its tokens wait for whoever reads them, however slowly; the engine does not.</summary>
public sealed class EngineReply : EngineJob
{
    private readonly Channel<GeneratedToken> _tokens =
        Channel.CreateUnbounded<GeneratedToken>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });

    internal EngineReply(InferenceEngine engine, int choice, GenerationState state, ScheduledRequest request)
        : base(engine, request) => (Choice, State) = (choice, state);

    /// <summary>Which of the replies to the prompt, from 0.</summary>
    public int Choice { get; }

    /// <summary>
    /// The tokens as they are drawn. Completes when the reply is over, with <see cref="EngineJob.Finish"/> set; with the exception if it failed.
    /// </summary>
    public ChannelReader<GeneratedToken> Tokens => _tokens.Reader;

    internal GenerationState State { get; }

    /// <summary>When its last token came, or null before the first.</summary>
    internal long? LastToken { get; set; }

    internal void Write(GeneratedToken token) => _tokens.Writer.TryWrite(token);

    private protected override void Tell(FinishReason finish, Exception? error) => _tokens.Writer.TryComplete(error);
}
