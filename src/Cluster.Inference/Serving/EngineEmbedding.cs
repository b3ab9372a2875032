using Cluster.Inference.Generation;
using Cluster.Inference.Scheduling;

namespace Cluster.Inference.Serving;

/// <summary>
/// The mean of a text's hidden states, as they come out of the final norm, under way in an engine. It depends on the text only, to the last
/// bit.
/// </summary>
public sealed class EngineEmbedding : EngineJob
{
    private readonly TaskCompletionSource<float[]> _mean = new(TaskCreationOptions.RunContinuationsAsynchronously);

    internal EngineEmbedding(InferenceEngine engine, ScheduledRequest request, int width)
        : base(engine, request) => Hidden = new HiddenMean(width);

    /// <summary>
    /// [width]. Canceled if whoever asked went away or the engine ended, a <see cref="TimeoutException"/> if its time was over, another
    /// exception if the model failed.
    /// </summary>
    public Task<float[]> Mean => _mean.Task;

    /// <summary>What was added up so far; begins anew after a preemption, of which nothing is left.</summary>
    internal HiddenMean Hidden { get; }

    private protected override void Tell(FinishReason finish, Exception? error)
    {
        if (finish == FinishReason.Stop)
            _mean.TrySetResult(Hidden.Value());
        else if (finish == FinishReason.Deadline)
            _mean.TrySetException(new TimeoutException("The time that the request was given is over."));
        else if (error is not null)
            _mean.TrySetException(error);
        else
            _mean.TrySetCanceled();
        // Whoever does not wait for it does not care why.
        _ = _mean.Task.Exception;
    }
}
