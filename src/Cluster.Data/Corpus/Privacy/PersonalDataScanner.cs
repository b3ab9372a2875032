// Enters: a text. Leaves: where personal data is in it, in order and without overlap. Does not know: what becomes of it.

using System.Buffers;

namespace Cluster.Data.Corpus.Privacy;

/// <summary>Where one piece of personal data is.</summary>
/// <param name="Kind">One kind.</param>
/// <param name="Start">Index of its first UTF-16 unit.</param>
/// <param name="Length">UTF-16 units.</param>
internal readonly record struct PersonalDataFind(PersonalDataKinds Kind, int Start, int Length);

/// <summary>
/// One walk over the text from one digit, @ or colon to the next; at each, what may be around it is measured by hand within fixed bounds,
/// so that no text takes more than linear time. Anything that is part of a longer name (of a GUID, a hash, a path, a version) is left
/// alone.
/// </summary>
/// <param name="text">The text; it must outlive the scanner.</param>
internal ref struct PersonalDataScanner(ReadOnlySpan<char> text)
{
    private static readonly SearchValues<char> s_triggers = SearchValues.Create("0123456789@:");

    private readonly ReadOnlySpan<char> _text = text;

    // Where the next look begins, and what is already given out or ruled out before it.
    private int _at, _floor;

    /// <summary>The next find; false at the end.</summary>
    public bool Next(out PersonalDataFind find)
    {
        while (_at < _text.Length)
        {
            var next = _text[_at..].IndexOfAny(s_triggers);
            if (next < 0)
                break;
            _at += next;
            var found = _text[_at] switch
            {
                '@' => Emails.TryFind(_text, _at, _floor, out find),
                ':' => IpAddresses.TryFindV6(_text, _at, _floor, out find),
                _ => TryFindNumber(out find),
            };
            if (found)
            {
                _at = _floor = find.Start + find.Length;
                return true;
            }

            _at++;
        }

        find = default;
        _at = _text.Length;
        return false;
    }

    private bool TryFindNumber(out PersonalDataFind find)
    {
        var digits = DigitRun.Of(_text, _at);
        if (Ibans.TryFind(_text, _at, _floor, out find) || NationalId.TryFindLettered(_text, _at, _floor, out find))
            return true;
        // Beside a letter, a sign of a name or a decimal point it is part of something else.
        if (digits.StartsClean)
        {
            if (IpAddresses.TryFindV4(_text, digits, out find) || Cards.TryFind(_text, digits, out find)
                || NationalId.TryFind(_text, digits, out find) || Phones.TryFind(_text, digits, _floor, out find))
                return true;
        }
        else if (Phones.TryFind(_text, digits, _floor, out find))
        {
            return true;
        }

        // No number begins inside of a run of digits; the rest of its groups get their own look.
        _at = Math.Max(_at, _at + digits.FirstGroupLength - 1);
        find = default;
        return false;
    }
}
