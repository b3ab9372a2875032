using System.Text;

namespace Cluster.Data.Corpus;

/// <summary>Collects text with runs of whitespace folded into one space and runs of line breaks asked for into one. Text in, trimmed text out.</summary>
internal sealed class TextFolder
{
    private readonly StringBuilder _text = new();
    private bool _space, _line;

    /// <summary>Text whose whitespace counts as one space.</summary>
    public void Append(ReadOnlySpan<char> text)
    {
        foreach (var c in text)
        {
            if (char.IsWhiteSpace(c) || c is '\u200B' or '\uFEFF')
                _space = true;
            else
                Emit(c);
        }
    }

    /// <summary>Lines to keep as lines, each trimmed.</summary>
    public void AppendLines(string text)
    {
        foreach (var line in text.AsSpan().EnumerateLines())
        {
            Break();
            Append(line);
        }

        Break();
    }

    /// <summary>What follows begins on a new line.</summary>
    public void Break() => _line = true;

    /// <inheritdoc/>
    public override string ToString() => _text.ToString();

    private void Emit(char c)
    {
        if (_text.Length > 0 && (_line || _space))
            _text.Append(_line ? '\n' : ' ');
        _line = _space = false;
        _text.Append(c);
    }
}
