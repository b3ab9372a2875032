namespace Cluster.Data.Corpus;

/// <summary>The words of a text: maximal runs of letters and digits. Everything else separates. No allocation.</summary>
internal static class Words
{
    public static Enumerator Of(ReadOnlySpan<char> text) => new(text);

    public ref struct Enumerator(ReadOnlySpan<char> text)
    {
        private readonly ReadOnlySpan<char> _text = text;
        private int _start, _end;

        public readonly Range Current => _start.._end;

        public readonly Enumerator GetEnumerator() => this;

        public bool MoveNext()
        {
            _start = _end;
            while (_start < _text.Length && !char.IsLetterOrDigit(_text[_start]))
                _start++;
            _end = _start;
            while (_end < _text.Length && char.IsLetterOrDigit(_text[_end]))
                _end++;
            return _end > _start;
        }
    }
}
