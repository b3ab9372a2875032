using System.Buffers;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Filters;

/// <summary>Limits of <see cref="EncodingDamage"/>: this project's own. A limit of null turns its rule off.</summary>
public sealed record EncodingDamageOptions
{
    /// <summary>Greatest share of the visible characters that are U+FFFD: bytes that were no text.</summary>
    public double? MaximumReplacements { get; init; } = 0.01;

    /// <summary>Greatest share of the visible characters in sequences that UTF-8 leaves when read as Windows-1252 or Latin-1 ("Ã©",
    /// "â€™").</summary>
    public double? MaximumMojibake { get; init; } = 0.005;

    /// <summary>Greatest share of the visible characters that are control characters (other than tab and line end) or private or
    /// unassigned ones.</summary>
    public double? MaximumControls { get; init; } = 0.005;

    /// <summary>Returns the options if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public EncodingDamageOptions Validate()
    {
        Rule.CheckShare(EncodingDamage.StageName, "maximum_replacements", MaximumReplacements);
        Rule.CheckShare(EncodingDamage.StageName, "maximum_mojibake", MaximumMojibake);
        Rule.CheckShare(EncodingDamage.StageName, "maximum_controls", MaximumControls);
        return this;
    }
}

/// <summary>
/// Text that went through the wrong decoder. A sequence is mojibake if its characters, taken back to bytes by Windows-1252 (Latin-1 where
/// that has no character), are one UTF-8 sequence of two bytes (leads C2–C5, CE–D1: Latin, Greek, Cyrillic) or three bytes (leads E0–EF).
/// Such sequences can be meant ("É»" at the end of a French quotation is not among the leads; "Â°" is), hence a share and not one find.
/// </summary>
/// <param name="options">The limits.</param>
/// <exception cref="UserErrorException">A limit is out of range.</exception>
public sealed class EncodingDamage(EncodingDamageOptions? options = null) : IDocumentStage
{
    /// <summary>The name that recipes use.</summary>
    public const string StageName = "encoding-damage";

    // Windows-1252's characters for 0x80 to 0x9F; 0 where it has none.
    private const string Upper1252 = "\u20AC\0\u201A\u0192\u201E\u2026\u2020\u2021\u02C6\u2030\u0160\u2039\u0152\0\u017D\0\0\u2018\u2019\u201C\u201D\u2022\u2013\u2014\u02DC\u2122\u0161\u203A\u0153\0\u017E\u0178";

    private static readonly SearchValues<char> s_suspects = SearchValues.Create(
        [.. Enumerable.Range(0, 0xA0).Select(c => (char)c).Where(c => char.IsControl(c) && c is not ('\t' or '\n' or '\r')),
            .. Enumerable.Range(0xC2, 0xF0 - 0xC2).Select(c => (char)c), '\uFFFD', '\uFFFE', '\uFFFF',
            .. Enumerable.Range(0xE000, 0xF8FF - 0xE000 + 1).Select(c => (char)c)]);

    private readonly EncodingDamageOptions _options = (options ?? new()).Validate();

    /// <inheritdoc/>
    public string Name => StageName;

    /// <inheritdoc/>
    public StageOutcome Apply(Document document)
    {
        var text = document.Text.AsSpan();
        long replaced = 0, mojibake = 0, controls = 0;
        var i = text.IndexOfAny(s_suspects);
        if (i < 0)
            return StageOutcome.Keep(document);
        while (i < text.Length)
        {
            var c = text[i];
            var length = 1;
            if (c == '\uFFFD')
                replaced++;
            else if (c is >= '\u00C2' and < '\u00F0')
                mojibake += SequenceLength(text[i..]) is var found and > 0 ? length = found : 0;
            else
                controls++;
            i += length;
            var next = text[i..].IndexOfAny(s_suspects);
            if (next < 0)
                break;
            i += next;
        }

        double visible = 0;
        foreach (var c in text)
            visible += char.IsWhiteSpace(c) ? 0 : 1;
        visible = Math.Max(1, visible);
        return Rule.Outcome(document, Rule.Above("replacement_characters", replaced / visible, _options.MaximumReplacements)
            ?? Rule.Above("mojibake", mojibake / visible, _options.MaximumMojibake)
            ?? Rule.Above("control_characters", controls / visible, _options.MaximumControls));
    }

    private static int SequenceLength(ReadOnlySpan<char> text)
    {
        var length = text[0] switch
        {
            (>= '\u00C2' and <= '\u00C5') or (>= '\u00CE' and <= '\u00D1') => 2,
            >= '\u00E0' and <= '\u00EF' => 3,
            _ => 0,
        };
        if (length == 0 || text.Length < length)
            return 0;
        for (var i = 1; i < length; i++)
        {
            if (!IsContinuation(text[i]))
                return 0;
        }

        return length;
    }

    private static bool IsContinuation(char c) => c is >= '\u0080' and <= '\u00BF' || (c > '\u00FF' && Upper1252.Contains(c));
}
