using System.Text;
using Cluster.Contracts.Inference;

namespace Cluster.Web.Api.OpenAi;

/// <summary>Tokens and ends of replies in the API's words.</summary>
internal static class ReplyFields
{
    // JSON has no infinity, which a token that may not be drawn has.
    private const double LeastLogprob = -9_999;

    /// <summary>finish_reason; null while the reply goes on.</summary>
    public static string? Reason(ReplyFinish? finish) => finish switch
    {
        null => null,
        ReplyFinish.Stop => "stop",
        _ => "length",
    };

    /// <summary>A token's log-probabilities as chats show them.</summary>
    public static ChatTokenLogprob Chat(ReplyPiece piece) => new(
        Text(piece.Token!), Finite(piece.LogProbability), Bytes(piece.Token!),
        (piece.Top ?? []).Select(top => new ChatTopLogprob(Text(top.Bytes), Finite(top.LogProbability), Bytes(top.Bytes))).ToArray());

    /// <summary>Tokens' log-probabilities as completions show them.</summary>
    /// <param name="pieces">A stretch of a reply.</param>
    /// <param name="offset">Chars of the reply before it.</param>
    public static CompletionLogprobs Completion(IReadOnlyList<ReplyPiece> pieces, int offset)
    {
        var offsets = new int[pieces.Count];
        for (var i = 0; i < pieces.Count; i++)
            (offsets[i], offset) = (offset, offset + pieces[i].Text.Length);
        return new CompletionLogprobs(
            pieces.Select(piece => Text(piece.Token!)).ToArray(), pieces.Select(piece => Finite(piece.LogProbability)).ToArray(), pieces.Select(Top).ToArray(), offsets);
    }

    private static Dictionary<string, double>? Top(ReplyPiece piece)
    {
        if (piece.Top is not { } top)
            return null;
        var shown = new Dictionary<string, double>(StringComparer.Ordinal);
        // Two tokens that are no whole characters may read alike; the more probable one comes first.
        foreach (var other in top)
            shown.TryAdd(Text(other.Bytes), Finite(other.LogProbability));
        return shown;
    }

    private static string Text(byte[] bytes) => Encoding.UTF8.GetString(bytes);

    private static int[] Bytes(byte[] bytes) => Array.ConvertAll(bytes, value => (int)value);

    private static double Finite(float value) => Math.Max(value, LeastLogprob);
}
