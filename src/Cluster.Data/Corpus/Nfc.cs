using System.Collections.Frozen;
using System.Globalization;
using System.Text;

namespace Cluster.Data.Corpus;

/// <summary>
/// Unicode normalisation form C (Unicode Standard Annex 15) from tables of its own. <see cref="string.Normalize()"/> does nothing in
/// invariant-globalization mode, and outside it depends on the machine's ICU; a corpus depends on its text only.
/// </summary>
internal static class Nfc
{
    // Hangul syllables are composed by arithmetic (The Unicode Standard, section 3.12).
    private const int SBase = 0xAC00, LBase = 0x1100, VBase = 0x1161, TBase = 0x11A7, LCount = 19, VCount = 21, TCount = 28;
    private const int SCount = LCount * VCount * TCount;

    private static readonly Lazy<Tables> Data = new(() => new Tables());

    /// <summary>The text in NFC; the same instance if it is already. Lone surrogates stay as they are.</summary>
    public static string Normalize(string text)
    {
        // Everything below the combining marks is in NFC.
        var start = text.AsSpan().IndexOfAnyExceptInRange('\0', '\u02FF');
        if (start < 0 || !MayChange(text.AsSpan(start)))
            return text;
        var points = new List<int>(text.Length);
        for (var i = 0; i < text.Length; i++)
        {
            if (char.IsHighSurrogate(text[i]) && i + 1 < text.Length && char.IsLowSurrogate(text[i + 1]))
            {
                Decompose(char.ConvertToUtf32(text[i], text[i + 1]), points);
                i++;
            }
            else
            {
                Decompose(text[i], points);
            }
        }

        Order(points);
        Compose(points);
        var result = new StringBuilder(points.Count);
        foreach (var point in points)
        {
            if (point < 0x10000)
                result.Append((char)point);
            else
                result.Append(char.ConvertFromUtf32(point));
        }

        return result.ToString();
    }

    private static bool MayChange(ReadOnlySpan<char> text)
    {
        foreach (var rune in text.EnumerateRunes())
        {
            if (rune.Value >= 0x300 && (Data.Value.Suspects.Contains(rune.Value) || IsVowelOrTail(rune.Value)))
                return true;
        }

        return false;
    }

    private static bool IsVowelOrTail(int point) =>
        point is >= VBase and < VBase + VCount or > TBase and < TBase + TCount;

    private static void Decompose(int point, List<int> points)
    {
        if (point is >= SBase and < SBase + SCount)
        {
            var index = point - SBase;
            points.Add(LBase + index / (VCount * TCount));
            points.Add(VBase + index % (VCount * TCount) / TCount);
            if (index % TCount != 0)
                points.Add(TBase + index % TCount);
        }
        else if (Data.Value.Decompositions.TryGetValue(point, out var parts))
        {
            foreach (var part in parts)
                Decompose(part, points);
        }
        else
        {
            points.Add(point);
        }
    }

    /// <summary>Sorts runs of combining marks by class, stably.</summary>
    private static void Order(List<int> points)
    {
        for (var i = 1; i < points.Count; i++)
        {
            var mark = Class(points[i]);
            if (mark == 0)
                continue;
            var point = points[i];
            var to = i;
            for (; to > 0 && Class(points[to - 1]) > mark; to--)
                points[to] = points[to - 1];
            points[to] = point;
        }
    }

    private static void Compose(List<int> points)
    {
        int starter = -1, written = 0, lastClass = -1;
        // In place: what is written never overtakes what is read.
        for (var read = 0; read < points.Count; read++)
        {
            var point = points[read];
            var mark = Class(point);
            // A mark is blocked by one of its own or a higher class since the starter, and by another starter.
            if (starter >= 0 && lastClass < mark && Pair(points[starter], point) is { } composed)
            {
                points[starter] = composed;
                continue;
            }

            if (mark == 0)
            {
                starter = written;
                lastClass = -1;
            }
            else
            {
                lastClass = mark;
            }

            points[written++] = point;
        }

        points.RemoveRange(written, points.Count - written);
    }

    private static int? Pair(int first, int second)
    {
        if (first is >= LBase and < LBase + LCount && second is >= VBase and < VBase + VCount)
            return SBase + ((first - LBase) * VCount + second - VBase) * TCount;
        if (first is >= SBase and < SBase + SCount && (first - SBase) % TCount == 0 && second is > TBase and < TBase + TCount)
            return first + second - TBase;
        return Data.Value.Compositions.TryGetValue((first, second), out var composed) ? composed : null;
    }

    private static int Class(int point) => point < 0x300 ? 0 : Data.Value.Classes.GetValueOrDefault(point);

    private sealed class Tables
    {
        public Tables()
        {
            var decompositions = new Dictionary<int, int[]>();
            var compositions = new Dictionary<(int, int), int>();
            var suspects = new HashSet<int>();
            foreach (var entry in Words(NfcData.Decompositions))
            {
                var mark = entry.AsSpan().IndexOfAny('=', '!');
                var point = Hex(entry[..mark]);
                var parts = entry[(mark + 1)..].Split('+').Select(Hex).ToArray();
                decompositions.Add(point, parts);
                if (entry[mark] == '=')
                {
                    compositions.Add((parts[0], parts[1]), point);
                    suspects.Add(parts[1]);
                }
                else
                {
                    suspects.Add(point);
                }
            }

            var classes = new Dictionary<int, int>();
            var current = 0;
            foreach (var word in Words(NfcData.CombiningClasses))
            {
                if (word[^1] == ':')
                {
                    current = int.Parse(word[..^1], CultureInfo.InvariantCulture);
                    continue;
                }

                var dash = word.IndexOf('-', StringComparison.Ordinal);
                var last = Hex(dash < 0 ? word : word[(dash + 1)..]);
                for (var point = Hex(dash < 0 ? word : word[..dash]); point <= last; point++)
                    classes.Add(point, current);
            }

            suspects.UnionWith(classes.Keys);
            Decompositions = decompositions.ToFrozenDictionary();
            Compositions = compositions.ToFrozenDictionary();
            Classes = classes.ToFrozenDictionary();
            Suspects = suspects.ToFrozenSet();
        }

        /// <summary>One step of canonical decomposition.</summary>
        public FrozenDictionary<int, int[]> Decompositions { get; }

        /// <summary>Pairs that compose.</summary>
        public FrozenDictionary<(int First, int Second), int> Compositions { get; }

        /// <summary>Combining classes other than 0.</summary>
        public FrozenDictionary<int, int> Classes { get; }

        /// <summary>Points whose presence means that a text may not be in NFC.</summary>
        public FrozenSet<int> Suspects { get; }

        private static string[] Words(string table) => table.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries);

        private static int Hex(string digits) => int.Parse(digits, NumberStyles.HexNumber, CultureInfo.InvariantCulture);
    }
}
