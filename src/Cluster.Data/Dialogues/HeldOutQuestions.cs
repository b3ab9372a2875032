using System.Collections.Frozen;
using Cluster.Data.Corpus;

namespace Cluster.Data.Dialogues;

/// <summary>
/// Questions to put to a trained model: from the test part, with the true answer, whose answer no training dialogue gives word for
/// word. Well-known .NET types come first, then the System namespaces, then the rest; one question per group; ties by hash of the id.
/// </summary>
public static class HeldOutQuestions
{
    private const int ShortestAnswer = 30, LongestAnswer = 200;

    private static readonly FrozenSet<string> WellKnown = new[]
    {
        "System.String", "System.Int32", "System.DateTime", "System.TimeSpan", "System.Math", "System.Array", "System.Console",
        "System.Guid", "System.Random", "System.Convert", "System.Environment", "System.Exception", "System.Object", "System.Uri",
        "System.Type", "System.Lazy", "System.Nullable", "System.Tuple", "System.Span", "System.Boolean", "System.Char", "System.Decimal",
        "System.Double", "System.DateOnly", "System.TimeOnly", "System.DayOfWeek", "System.StringComparer", "System.Version",
        "System.Enum", "System.Range", "System.Text.StringBuilder", "System.Text.Encoding", "System.Text.RegularExpressions.Regex",
        "System.Text.Json.JsonSerializer", "System.IO.File", "System.IO.Path", "System.IO.Stream", "System.IO.Directory",
        "System.IO.StreamReader", "System.IO.StreamWriter", "System.IO.MemoryStream", "System.IO.FileInfo", "System.IO.FileStream",
        "System.Collections.Generic.List", "System.Collections.Generic.Dictionary", "System.Collections.Generic.HashSet",
        "System.Collections.Generic.Queue", "System.Collections.Generic.Stack", "System.Collections.Generic.LinkedList",
        "System.Collections.Generic.SortedDictionary", "System.Collections.Generic.PriorityQueue", "System.Collections.ArrayList",
        "System.Collections.BitArray", "System.Collections.Concurrent.ConcurrentDictionary",
        "System.Collections.Concurrent.ConcurrentQueue", "System.Linq.Enumerable", "System.Threading.Tasks.Task",
        "System.Threading.Thread", "System.Threading.Monitor", "System.Threading.SemaphoreSlim", "System.Threading.Timer",
        "System.Threading.CancellationToken", "System.Diagnostics.Process", "System.Diagnostics.Stopwatch", "System.Net.Http.HttpClient",
        "System.Net.IPAddress", "System.Globalization.CultureInfo", "System.Numerics.BigInteger", "System.Security.Cryptography.SHA256",
        "System.Reflection.Assembly", "System.Xml.Linq.XElement",
    }.ToFrozenSet(StringComparer.Ordinal);

    /// <summary>Up to <paramref name="count"/> single-turn conversations of the test part (of validation if there is none).</summary>
    public static IReadOnlyList<Conversation> Select(DialogueSet dialogues, int count, ulong seed)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(count);
        var trained = dialogues.Train.SelectMany(conversation => conversation.Messages)
            .Where(message => message.Role == ChatRole.Assistant).Select(message => message.Content).ToHashSet(StringComparer.Ordinal);
        var ranked = (dialogues.Test.Count > 0 ? dialogues.Test : dialogues.Validation)
            .Where(conversation => conversation.Messages.Count == 2 && !trained.Contains(conversation.Answer))
            .OrderBy(Rank)
            .ThenBy(conversation => StableHash.Hash64(FormattableString.Invariant($"question:{seed}:{conversation.Id}")))
            .ThenBy(conversation => conversation.Id, StringComparer.Ordinal)
            .ToList();
        var chosen = ranked.DistinctBy(conversation => conversation.Group, StringComparer.Ordinal).Take(count).ToList();
        // Text of few groups has more questions than groups.
        return chosen.Count == count ? chosen : [.. chosen, .. ranked.Except(chosen).Take(count - chosen.Count)];
    }

    private static int Rank(Conversation conversation)
    {
        var rank = WellKnown.Contains(conversation.Group) ? 0
            : conversation.Group.StartsWith("System.", StringComparison.Ordinal)
                ? IsCommonNamespace(conversation.Group) ? 1 : 2
                : 3;
        var isPlain = conversation.Kind is ConversationKind.Type or ConversationKind.Member or ConversationKind.Continuation
            && conversation.Answer.Length is >= ShortestAnswer and <= LongestAnswer;
        return rank * 2 + (isPlain ? 0 : 1);
    }

    private static bool IsCommonNamespace(string group) =>
        group[..group.LastIndexOf('.')] is "System" or "System.IO" or "System.Text" or "System.Linq" or "System.Threading"
            or "System.Threading.Tasks" or "System.Collections" or "System.Collections.Generic" or "System.Collections.Concurrent";
}
