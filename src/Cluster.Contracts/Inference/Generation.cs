using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Orleans;

namespace Cluster.Contracts.Inference;

/// <summary>Something that happened to a reply.</summary>
/// <param name="Choice">Which of the replies, from 0.</param>
/// <param name="Piece">Its next token; null at its end.</param>
/// <param name="Finish">Why it ended; null before its end.</param>
public readonly record struct ReplyEvent(int Choice, ReplyPiece? Piece, ReplyFinish? Finish);

/// <summary>The replies to one request, wherever they are written. To be disposed of, read to the end or not.</summary>
public sealed class Generation : IAsyncDisposable
{
    private readonly InferenceClient _client;
    private readonly string _model;
    private readonly GenerationRequest _request;
    private readonly TimeProvider _time;
    private readonly Place[] _places;
    private readonly long _begun;
    private int _resumed;

    internal Generation(InferenceClient client, string model, GenerationRequest request, Submission submission, TimeProvider time)
    {
        (_client, _model, _time, _begun) = (client, model, time, time.GetTimestamp());
        _request = request with { Weights = submission.Answer.Weights };
        PromptTokens = submission.Answer.PromptTokens;
        Weights = submission.Answer.Weights!;
        _places = [.. submission.Answer.Replies.Select((name, i) => new Place(request.Choice ?? i, submission.Worker, name))];
    }

    /// <summary>Tokens of the prompt.</summary>
    public int PromptTokens { get; }

    /// <summary>SHA-256 of the weights that answer, from the first token to the last.</summary>
    public string Weights { get; }

    /// <summary>How often a reply went on on another worker.</summary>
    public int Resumed => Volatile.Read(ref _resumed);

    /// <summary>The worker that a reply is written on now.</summary>
    public string WorkerOf(int choice) => Array.Find(_places, place => place.Choice == choice)!.Worker;

    /// <summary>The tokens of all replies as they come, each reply's in order, and each reply's end. Once.</summary>
    /// <exception cref="InferenceException">No worker can go on with a reply.</exception>
    public async IAsyncEnumerable<ReplyEvent> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        // Read on whether or not anybody takes it: a worker ends what nobody reads. The length of the replies bounds it.
        var events = Channel.CreateUnbounded<ReplyEvent>(new UnboundedChannelOptions { SingleReader = true });
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var pumping = PumpAllAsync(events.Writer, stop.Token);
        try
        {
            await foreach (var item in events.Reader.ReadAllAsync(cancellation))
                yield return item;
        }
        finally
        {
            await stop.CancelAsync();
            await pumping;
        }
    }

    /// <summary>Ends what is under way, without waiting for it.</summary>
    public ValueTask DisposeAsync()
    {
        foreach (var worker in _places.GroupBy(place => place.Worker, StringComparer.Ordinal))
            _client.CancelAsync(worker.Key, [.. worker.Select(place => place.Name)]).Ignore();
        return ValueTask.CompletedTask;
    }

    private async Task PumpAllAsync(ChannelWriter<ReplyEvent> events, CancellationToken cancellation)
    {
        await Task.WhenAll(_places.Select(PumpOneAsync));
        events.TryComplete();

        // The first failure is told at once, and whoever reads then ends the others.
        async Task PumpOneAsync(Place place)
        {
            try
            {
                await PumpAsync(place, events, cancellation);
            }
            catch (Exception error)
            {
                events.TryComplete(error);
            }
        }
    }

    private async Task PumpAsync(Place place, ChannelWriter<ReplyEvent> events, CancellationToken cancellation)
    {
        var losses = 0;
        while (true)
        {
            var stretch = await _client.ReadAsync(place.Worker, place.Name, place.Emitted.Count - place.From, cancellation);
            if (stretch is null or { State: ReplyState.Lost })
            {
                if (++losses > _client.Patience.Losses)
                    throw new InferenceException(new Refusal(RefusalKind.Failed, null, $"{losses} workers failed at token {place.Emitted.Count} of the reply."));
                if (!await ResumeAsync(place, losses, cancellation))
                {
                    events.TryWrite(new ReplyEvent(place.Choice, null, ReplyFinish.Deadline));
                    return;
                }

                continue;
            }

            foreach (var piece in stretch.Pieces)
            {
                place.Emitted.Add(piece.Id);
                losses = 0;
                events.TryWrite(new ReplyEvent(place.Choice, piece, null));
            }

            if (stretch.State == ReplyState.Ended)
            {
                events.TryWrite(new ReplyEvent(place.Choice, null, stretch.Finish));
                return;
            }
        }
    }

    /// <summary>Has another worker go on with a reply; false if its time is over.</summary>
    private async Task<bool> ResumeAsync(Place place, int losses, CancellationToken cancellation)
    {
        TimeSpan? left = _request.Timeout is { } timeout ? timeout - _time.GetElapsedTime(_begun) : null;
        if (left <= TimeSpan.Zero)
            return false;
        // The worker may live and only have been slow: what it still writes is wanted no more.
        _client.CancelAsync(place.Worker, [place.Name]).Ignore();
        var number = Interlocked.Increment(ref _resumed);
        var request = _request with
        {
            Id = FormattableString.Invariant($"{_request.Id}.{number}"),
            Choice = place.Choice,
            Emitted = place.Emitted.ToArray(),
            Timeout = left,
        };
        // The last one tried may be the only one there is.
        List<string> avoid = losses < _client.Patience.Losses ? [place.Worker] : [];
        var submission = await _client.SubmitAsync(_model, request, avoid, goesOn: true, cancellation);
        (place.Worker, place.Name, place.From) = (submission.Worker, submission.Answer.Replies[0], place.Emitted.Count);
        return true;
    }

    /// <summary>Where a reply is written, and what it is so far.</summary>
    private sealed class Place(int choice, string worker, string name)
    {
        public int Choice => choice;

        public string Worker { get; set; } = worker;

        public string Name { get; set; } = name;

        /// <summary>The token that the worker's first one is.</summary>
        public int From { get; set; }

        public List<int> Emitted { get; } = [];
    }
}
