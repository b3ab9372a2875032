// Enters: a request that a worker takes, its replies' ends. Leaves: a span from the first to the last. Does not know: who collects it.
using System.Diagnostics;
using Cluster.Contracts.Inference;

namespace Cluster.Silo.Inference;

/// <summary>
/// The span of a request in a worker, below that of the call that brought it: which run, which weights, how many tokens, what end. Names are
/// OpenTelemetry's for generative AI where it has some. The steps of the engine are linked to it.
/// </summary>
internal sealed class RequestTrace
{
    /// <summary>Name of the source.</summary>
    public const string SourceName = "Cluster.Inference";

    /// <summary>Name of the span.</summary>
    public const string Name = "inference.request";

    private static readonly ActivitySource s_source = new(SourceName);
    private readonly Activity? _activity;
    private readonly Lock _gate = new();
    private readonly SortedSet<string> _reasons = new(StringComparer.Ordinal);
    private int _open, _tokens;

    private RequestTrace(Activity? activity) => _activity = activity;

    /// <summary>What spans of a model are tagged with.</summary>
    /// <param name="model">The model, which is a run.</param>
    /// <param name="stage">Of the checkpoint.</param>
    /// <param name="step">Of the checkpoint.</param>
    /// <param name="weights">SHA-256 of the weights.</param>
    public static KeyValuePair<string, object?>[] Tags(string model, string stage, long step, string weights) =>
        [new("cluster.run", model), new("cluster.stage", stage), new("cluster.checkpoint.step", step), new("cluster.weights.sha256", weights)];

    /// <summary>A request is taken. The span is the current one until <see cref="Begun"/>, so that the engine sees it.</summary>
    public static RequestTrace Begin(GenerationRequest request, string model, ServedEngine served)
    {
        var from = served.From;
        var activity = s_source.StartActivity(Name, ActivityKind.Internal, parentContext: default, Tags(model, from.Stage, from.Step, from.Sha256));
        activity?.SetTag("gen_ai.operation.name", request.Messages is null ? "text_completion" : "chat");
        activity?.SetTag("gen_ai.request.model", model);
        activity?.SetTag("gen_ai.response.id", request.Id);
        return new RequestTrace(activity);
    }

    /// <summary>The engine has it.</summary>
    /// <param name="promptTokens">Of its prompt.</param>
    /// <param name="replies">That it makes.</param>
    public void Begun(int promptTokens, int replies)
    {
        _open = replies;
        _activity?.SetTag("gen_ai.usage.input_tokens", promptTokens);
        Leave();
    }

    /// <summary>It was refused.</summary>
    public void Refused()
    {
        _activity?.SetStatus(ActivityStatusCode.Error, "refused");
        Leave();
        _activity?.Stop();
    }

    /// <summary>One of its replies is over.</summary>
    /// <param name="tokens">That it has.</param>
    /// <param name="reason">Why it ended; null if another worker is to go on with it.</param>
    public void Ended(int tokens, ReplyFinish? reason)
    {
        lock (_gate)
        {
            _tokens += tokens;
            _reasons.Add(reason is { } finish ? $"{finish}".ToLowerInvariant() : "lost");
            if (--_open > 0)
                return;
        }

        _activity?.SetTag("gen_ai.usage.output_tokens", _tokens);
        _activity?.SetTag("gen_ai.response.finish_reasons", string.Join(',', _reasons));
        _activity?.Stop();
    }

    // The span goes on; this thread does not work for it any more.
    private void Leave()
    {
        if (_activity is not null && Activity.Current == _activity)
            Activity.Current = _activity.Parent;
    }
}
