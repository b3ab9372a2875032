using System.Text.RegularExpressions;
using Cluster.Data.Corpus.Reference;

namespace Cluster.Data.Dialogues;

/// <summary>
/// Reference documentation leaves out the subject ("Retrieves a substring.", "The number of elements."). These rules put one in front,
/// so that an answer is a full sentence; where none fits, the text stays as it is.
/// </summary>
internal static partial class AnswerGrammar
{
    private static readonly HashSet<string> PluralNouns = new(StringComparer.Ordinal)
    {
        "This", "Options", "Types", "Address", "Process", "Class", "Elements", "Flags", "References", "Extensions", "Settings", "Constants",
        "Status", "Events", "Methods", "Various", "Constraints", "Details", "Delegates", "Properties", "Providers", "Windows", "Instances",
        "As", "Cultures", "Values", "Nodes", "Contents", "Lines", "Fields", "Yes", "Numbers", "Attributes", "Characters", "Arguments",
        "Activities", "Enumerations", "Classes", "Results", "Wrappers", "Callbacks", "Claims", "Users", "Administrators", "Guests", "Files",
        "Items", "Expressions", "Constructions", "Tags", "Access", "Helpers", "Parameters", "Bypass", "Success", "Press", "Less", "Links",
        "Streams", "Requests", "Thus", "Always", "Previous", "Its", "Bytes",
    };

    /// <summary>"Retrieves a substring." → "It retrieves a substring."; with a noun, "The name." → "It is the name."</summary>
    /// <param name="subject">"It", or the name of what is asked about.</param>
    /// <param name="text">The documentation's text.</param>
    public static string Statement(string subject, string text)
    {
        var space = text.IndexOf(' ', StringComparison.Ordinal);
        var first = space < 0 ? text : text[..space];
        if (Verb().IsMatch(first) && !PluralNouns.Contains(first))
            return $"{subject} {Lower(text)}";
        if (Adverb().IsMatch(text))
            return $"{subject} {Lower(text)}";
        if (StartsWithAny(text, "Used ", "Called ", "Invoked ", "Raised "))
            return $"{subject} is {Lower(text)}";
        return IsNounPhrase(text) ? $"{subject} is {Lower(text)}" : text;
    }

    /// <summary>"true if it exists; otherwise, false." → "It returns true if it exists; otherwise, false."</summary>
    public static string Returned(string text)
    {
        if (StartsWithAny(text, "Returns ", "Always "))
            return $"It {Lower(text)}";
        if (text.StartsWith("true ", StringComparison.OrdinalIgnoreCase) || text.StartsWith("false ", StringComparison.OrdinalIgnoreCase)
            || StartsWithAny(text, "One of ") || IsNounPhrase(text))
            return $"It returns {Lower(text)}";
        return text;
    }

    /// <summary>"true to append; false to overwrite." → "Pass true to append; false to overwrite."</summary>
    public static string Passed(string text)
    {
        if (text.StartsWith("true to ", StringComparison.OrdinalIgnoreCase))
            return $"Pass {Lower(text)}";
        if (StartsWithAny(text, "true if ", "True if ", "true when ", "True when ", "One of "))
            return $"It is {Lower(text)}";
        return text.StartsWith("When this method returns, contains ", StringComparison.Ordinal)
            ? "When the method returns, it contains " + text["When this method returns, contains ".Length..]
            : Statement("It", text);
    }

    /// <summary>"index is negative." → "It throws ArgumentOutOfRangeException when index is negative."</summary>
    public static string Thrown(string exception, string condition)
    {
        var rest = ThrownPrefix().Replace(condition, "");
        var prefix = condition.AsSpan(0, condition.Length - rest.Length);
        var word = prefix.Contains("if ", StringComparison.OrdinalIgnoreCase) ? "if" : "when";
        return $"It throws {exception} {word} {XmlProse.LowerFirst(rest)}";
    }

    private static bool IsNounPhrase(string text) =>
        StartsWithAny(text, "The ", "A ", "An ") && !Clause().IsMatch(text);

    private static bool StartsWithAny(string text, params ReadOnlySpan<string> beginnings)
    {
        foreach (var beginning in beginnings)
        {
            if (text.StartsWith(beginning, StringComparison.Ordinal))
                return true;
        }

        return false;
    }

    private static string Lower(string text) => char.ToLowerInvariant(text[0]) + text[1..];

    [GeneratedRegex(@"^[A-Z][a-z]+s$", RegexOptions.CultureInvariant)]
    private static partial Regex Verb();

    [GeneratedRegex(@"^[A-Z][a-z]+ly [a-z]+s ", RegexOptions.CultureInvariant)]
    private static partial Regex Adverb();

    // "The index is zero-based." has its own verb; "The index that is used." does not, and neither does "The name, which is…".
    [GeneratedRegex(
        @"^(?:The|An?) "
        + @"(?:(?!\b(?:that|which|who|whose|where|when|if|for|to|used|containing|representing|specifying|indicating)\b)[^,.;(])*?"
        + @"\b(?:is|are|was|were|has|have|can|cannot|must|will|should|does|do|could|may"
        + @"|contains|specifies|indicates|represents|determines|failed|occurred)\b",
        RegexOptions.CultureInvariant)]
    private static partial Regex Clause();

    [GeneratedRegex(
        @"^(?:(?:Thrown|Throws|Occurs|Raised|This exception is thrown) )?(?:if|when) |^Thrown ",
        RegexOptions.IgnoreCase | RegexOptions.CultureInvariant)]
    private static partial Regex ThrownPrefix();
}
