using System.Runtime.InteropServices;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>The shingles (Broder 1997) of a text as 64-bit hashes, with repetition: repeats change no minimum. Not for several threads.</summary>
internal sealed class Shingles(ShingleKind kind, int length)
{
    private readonly List<ulong> _units = [];
    private readonly List<ulong> _hashes = [];

    /// <summary>Valid until the next call. Empty for a text without letters and digits; one for a text shorter than a shingle.</summary>
    public ReadOnlySpan<ulong> Of(ReadOnlySpan<char> text)
    {
        _units.Clear();
        _hashes.Clear();
        if (kind == ShingleKind.Words)
            WordNgrams.Words(text, _units);
        else
            Characters(text);
        var units = CollectionsMarshal.AsSpan(_units);
        if (units.Length > 0)
            WordNgrams.Hashes(units, Math.Min(length, units.Length), _hashes);
        return CollectionsMarshal.AsSpan(_hashes);
    }

    private void Characters(ReadOnlySpan<char> text)
    {
        var space = false;
        foreach (var c in text)
        {
            // Half of a surrogate pair counts as a letter: the pair stays whole, as two units.
            if (!char.IsLetterOrDigit(c) && !char.IsSurrogate(c))
            {
                space = _units.Count > 0;
                continue;
            }

            if (space)
                _units.Add(WordNgrams.Mix(' '));
            space = false;
            _units.Add(WordNgrams.Mix(char.ToLowerInvariant(c)));
        }
    }
}
