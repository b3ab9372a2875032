using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using Cluster.Contracts.Inference;

namespace Cluster.Web.Api.OpenAi;

/// <summary>A reply as a whole.</summary>
internal sealed class WholeReply
{
    private readonly StringBuilder _text = new();
    private readonly List<ReplyPiece> _pieces = [];

    /// <summary>Its tokens, the one that ended it included.</summary>
    public IReadOnlyList<ReplyPiece> Pieces => _pieces;

    /// <summary>Why it ended.</summary>
    public ReplyFinish? Finish { get; private set; }

    /// <summary>Its text.</summary>
    public string Text => _text.ToString();

    /// <summary>Takes in what happened.</summary>
    public void Add(ReplyEvent happened)
    {
        if (happened.Piece is { } piece)
        {
            _pieces.Add(piece);
            _text.Append(piece.Text);
        }

        Finish ??= happened.Finish;
    }
}

/// <summary>All replies to a request's prompts, as one stream. To be disposed of, which ends those nobody wants any more.</summary>
internal sealed class AllReplies : IAsyncDisposable
{
    private readonly List<(Generation Generation, int FirstIndex)> _generations = [];

    /// <summary>Tokens of all prompts.</summary>
    public int PromptTokens => _generations.Sum(one => one.Generation.PromptTokens);

    /// <summary>Names the weights.</summary>
    public string Fingerprint => "fp_" + _generations[0].Generation.Weights[..12];

    /// <summary>Has the pool take them all.</summary>
    /// <exception cref="InferenceException">One is refused.</exception>
    public static async Task<AllReplies> BeginAsync(InferenceClient client, string model, IEnumerable<AskedGeneration> asked, CancellationToken cancellation)
    {
        var all = new AllReplies();
        try
        {
            foreach (var one in asked)
                all._generations.Add((await client.BeginAsync(model, one.Request, cancellation), one.FirstIndex));
            return all;
        }
        catch
        {
            await all.DisposeAsync();
            throw;
        }
    }

    /// <summary>What happens to the replies, numbered as in the answer.</summary>
    /// <exception cref="InferenceException">A reply cannot go on, or its time is over.</exception>
    public async IAsyncEnumerable<ReplyEvent> ReadAsync([EnumeratorCancellation] CancellationToken cancellation)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        var events = Channel.CreateUnbounded<ReplyEvent>();
        var reading = ReadAllAsync();
        try
        {
            await foreach (var happened in events.Reader.ReadAllAsync(cancellation))
            {
                if (happened.Finish == ReplyFinish.Deadline)
                    throw new InferenceException(new Refusal(RefusalKind.Deadline, null, "The time that a request may take is over. Ask for fewer tokens, or try again later."));
                yield return happened;
            }
        }
        finally
        {
            await stop.CancelAsync();
            await reading;
        }

        async Task ReadAllAsync()
        {
            await Task.WhenAll(_generations.Select(async one =>
            {
                try
                {
                    await foreach (var happened in one.Generation.ReadAsync(stop.Token))
                        events.Writer.TryWrite(happened with { Choice = one.FirstIndex + happened.Choice });
                }
                catch (Exception error)
                {
                    events.Writer.TryComplete(error);
                }
            }));
            events.Writer.TryComplete();
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        foreach (var (generation, _) in _generations)
            await generation.DisposeAsync();
    }
}
