using Cluster.Inference.Generation;
using Cluster.Inference.Scheduling;

namespace Cluster.Inference.Serving;

/// <summary>
/// The mean of a text's hidden states, as they come out of the final norm, under way in an engine. It depends on the text only, to the last
/// bit: it is added up token by token in order, in double.
/// </summary>
public sealed class EngineEmbedding : EngineJob
{
    private readonly TaskCompletionSource<float[]> _mean = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly double[] _sum;

    internal EngineEmbedding(InferenceEngine engine, ScheduledRequest request, int width)
        : base(engine, request) => _sum = new double[width];

    /// <summary>
    /// [width]. Canceled if whoever asked went away or the engine ended, a <see cref="TimeoutException"/> if its time was over, another
    /// exception if the model failed.
    /// </summary>
    public Task<float[]> Mean => _mean.Task;

    /// <summary>Begins anew: after a preemption nothing of it is left.</summary>
    internal void Reset() => Array.Clear(_sum);

    /// <summary>Adds the next tokens' rows, [tokens, width].</summary>
    internal void Add(ReadOnlySpan<float> rows)
    {
        for (var at = 0; at < rows.Length; at += _sum.Length)
        {
            for (var c = 0; c < _sum.Length; c++)
                _sum[c] += rows[at + c];
        }
    }

    private protected override void Tell(FinishReason finish, Exception? error)
    {
        if (finish == FinishReason.Stop)
            _mean.TrySetResult([.. _sum.Select(value => (float)(value / Request.PromptLength))]);
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
