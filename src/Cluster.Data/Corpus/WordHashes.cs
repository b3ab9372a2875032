namespace Cluster.Data.Corpus;

/// <summary>
/// The words of a text as 64-bit hashes, for <c>foreach</c>: a word is a maximal run of letters and digits, its case ignored. FNV-1a over
/// UTF-16 code units with SplitMix64's finaliser. Text in, hashes out, no allocation.
/// </summary>
internal ref struct WordHashes(ReadOnlySpan<char> text)
{
    private readonly ReadOnlySpan<char> _text = text;
    private int _at;

    public ulong Current { get; private set; }

    public readonly WordHashes GetEnumerator() => this;

    public bool MoveNext()
    {
        while (_at < _text.Length && !char.IsLetterOrDigit(_text[_at]))
            _at++;
        if (_at == _text.Length)
            return false;
        var hash = 0xCBF29CE484222325UL;
        for (; _at < _text.Length && char.IsLetterOrDigit(_text[_at]); _at++)
            hash = (hash ^ char.ToLowerInvariant(_text[_at])) * 0x100000001B3UL;
        hash = (hash ^ (hash >> 30)) * 0xBF58476D1CE4E5B9UL;
        hash = (hash ^ (hash >> 27)) * 0x94D049BB133111EBUL;
        Current = hash ^ (hash >> 31);
        return true;
    }
}
