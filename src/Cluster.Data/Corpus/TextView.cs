// Enters: a text. Leaves: its words, lines and paragraphs as positions and hashes. Does not know: what anybody wants of them.

namespace Cluster.Data.Corpus;

/// <summary>One word or symbol of a text.</summary>
/// <param name="Start">Index of its first UTF-16 unit.</param>
/// <param name="Length">UTF-16 units.</param>
/// <param name="Kind">What it has in it.</param>
/// <param name="Hash">Of its characters.</param>
/// <param name="Folded">Of its characters in lower case.</param>
internal readonly record struct TextWord(int Start, int Length, WordKind Kind, ulong Hash, ulong Folded)
{
    public bool IsSymbol => Kind == WordKind.Symbol;

    public bool HasLetter => (Kind & WordKind.Letters) != 0;

    public int End => Start + Length;
}

/// <summary>What a word has in it.</summary>
[Flags]
internal enum WordKind : byte
{
    /// <summary>Neither letters nor digits: punctuation, a sign, an emoji.</summary>
    Symbol = 0,

    Letters = 1,

    Digits = 2,
}

/// <summary>One line of a text, without its end.</summary>
/// <param name="Start">Index of its first UTF-16 unit.</param>
/// <param name="Length">UTF-16 units without the line feed.</param>
/// <param name="From">Index of its first visible character; of a blank line, of its end.</param>
/// <param name="To">Index after its last visible character; <paramref name="From"/> if it is blank.</param>
/// <param name="FirstWord">Index of its first word or symbol.</param>
/// <param name="Words">Words and symbols.</param>
/// <param name="Hash">Of its words and their places: lines that differ in the kind of their white space, or at their ends, are
/// equal.</param>
internal readonly record struct TextLine(int Start, int Length, int From, int To, int FirstWord, int Words, ulong Hash)
{
    public bool IsBlank => From == To;
}

/// <summary>Lines between blank lines.</summary>
/// <param name="Start">Index of its first UTF-16 unit.</param>
/// <param name="Length">UTF-16 units without the last line feed.</param>
/// <param name="FirstWord">Index of its first word or symbol.</param>
/// <param name="Words">Words and symbols.</param>
/// <param name="Hash">Of its lines.</param>
internal readonly record struct TextParagraph(int Start, int Length, int FirstWord, int Words, ulong Hash);

/// <summary>
/// The words, lines and paragraphs of a text, found in one pass and shared by the stages that a thread applies to one document: the last
/// text's view is kept per thread and its arrays are used again. A view is valid until the thread asks for another text's.
/// <para>
/// A word is a run of letters, digits and marks; a full stop, apostrophe, hyphen, slash, underscore or another of <c>+ * = ~ ^ | \ `</c>
/// between two of these belongs to it ("System.String", "and/or", "don't"), and so do a comma and a colon between digits. Any other visible
/// character is a symbol of its own; a run of one joining character ("...", "---", "====") is one symbol. This follows the Treebank
/// convention by which the published filters count (words and punctuation apart), without its contractions and abbreviations. A Han
/// ideograph or a kana is a word of its own.
/// </para>
/// </summary>
internal sealed class TextView
{
    // A thread that has seen one giant text does not keep room for another.
    private const int MostKeptWords = 1 << 20;

    // FNV-1a's offset and prime (Fowler, Noll, Vo); the finaliser mixes what the low bits lack.
    private const ulong Offset = 14695981039346656037;
    private const ulong Prime = 1099511628211;

    [ThreadStatic]
    private static TextView? s_last;

    private string _text = "";
    private TextWord[] _words = new TextWord[256];
    private TextLine[] _lines = new TextLine[64];
    private TextParagraph[] _paragraphs = new TextParagraph[16];
    private int _wordCount, _lineCount, _paragraphCount;

    private TextView()
    {
    }

    public string Text => _text;

    /// <summary>Words and symbols in order.</summary>
    public ReadOnlySpan<TextWord> Words => _words.AsSpan(0, _wordCount);

    /// <summary>Lines in order, blank ones too; the empty text after a last line feed is none.</summary>
    public ReadOnlySpan<TextLine> Lines => _lines.AsSpan(0, _lineCount);

    /// <summary>Paragraphs in order.</summary>
    public ReadOnlySpan<TextParagraph> Paragraphs => _paragraphs.AsSpan(0, _paragraphCount);

    /// <summary>Words that are not symbols.</summary>
    public int TrueWords { get; private set; }

    /// <summary>UTF-16 units of the words that are not symbols.</summary>
    public long TrueWordCharacters { get; private set; }

    /// <summary>Words with at least one letter.</summary>
    public int WordsWithLetter { get; private set; }

    /// <summary>Lines with something visible.</summary>
    public int VisibleLines { get; private set; }

    /// <summary>Room for the hashes of n-grams, shared by the stages of this thread.</summary>
    public HashCounter Counter { get; } = new();

    /// <summary>The view of a text: the last one of this thread, if it is of the same string.</summary>
    public static TextView Of(string text)
    {
        var view = s_last ??= new TextView();
        if (ReferenceEquals(view._text, text))
            return view;
        if (view._words.Length > MostKeptWords && text.Length < MostKeptWords)
            view = s_last = new TextView();
        view.Read(text);
        return view;
    }

    /// <summary>The hash that <see cref="TextWord.Hash"/> has for a word without symbols.</summary>
    public static ulong HashOf(ReadOnlySpan<char> word)
    {
        var hash = Offset;
        foreach (var c in word)
            hash = (hash ^ c) * Prime;
        return Mix(hash);
    }

    /// <summary>The finaliser of SplitMix64 (Steele, Lea, Flood, OOPSLA 2014).</summary>
    public static ulong Mix(ulong x)
    {
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9UL;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EBUL;
        return x ^ (x >> 31);
    }

    private void Read(string text)
    {
        _text = "";
        _wordCount = _lineCount = _paragraphCount = TrueWords = WordsWithLetter = VisibleLines = 0;
        TrueWordCharacters = 0;
        var lineStart = 0;
        var lineFirstWord = 0;
        var classes = CharacterClasses.Table;
        var i = 0;
        while (i < text.Length)
        {
            var c = text[i];
            switch (classes[c])
            {
                case CharacterClass.Space:
                    i++;
                    break;
                case CharacterClass.LineFeed:
                    EndLine(lineStart, i, lineFirstWord);
                    lineStart = ++i;
                    lineFirstWord = _wordCount;
                    break;
                case CharacterClass.Letter:
                case CharacterClass.Digit:
                    i = ReadWord(text, i, classes);
                    break;
                case CharacterClass.Ideograph:
                    Add(new TextWord(i, 1, WordKind.Letters, Mix((Offset ^ c) * Prime), Mix((Offset ^ c) * Prime)));
                    i++;
                    break;
                case CharacterClass.Joiner:
                    var run = 1;
                    while (i + run < text.Length && text[i + run] == c)
                        run++;
                    AddSymbol(i, run, c + ((ulong)run << 32));
                    i += run;
                    break;
                case CharacterClass.Surrogate:
                    i = ReadSurrogate(text, i, classes);
                    break;
                default:
                    AddSymbol(i, 1, c);
                    i++;
                    break;
            }
        }

        if (lineStart < text.Length)
            EndLine(lineStart, text.Length, lineFirstWord);
        ReadParagraphs();
        _text = text;
    }

    private int ReadWord(string text, int start, ReadOnlySpan<CharacterClass> classes)
    {
        ulong hash = Offset, folded = Offset;
        var kind = WordKind.Symbol;
        var i = start;
        while (i < text.Length)
        {
            var c = text[i];
            var of = classes[c];
            if (of == CharacterClass.Letter)
            {
                kind |= WordKind.Letters;
            }
            else if (of == CharacterClass.Digit)
            {
                kind |= WordKind.Digits;
            }
            else if (of == CharacterClass.Surrogate)
            {
                if (!char.IsSurrogatePair(text, i) || !IsLetter(text, i))
                    break;
                kind |= WordKind.Letters;
                hash = (hash ^ c) * Prime;
                folded = (folded ^ c) * Prime;
                c = text[++i];
            }
            else if (!Joins(text, i, of, classes))
            {
                break;
            }

            hash = (hash ^ c) * Prime;
            folded = (folded ^ Fold(c)) * Prime;
            i++;
        }

        Add(new TextWord(start, i - start, kind, Mix(hash), Mix(folded)));
        return i;
    }

    private int ReadSurrogate(string text, int i, ReadOnlySpan<CharacterClass> classes)
    {
        if (!char.IsSurrogatePair(text, i))
        {
            AddSymbol(i, 1, text[i]);
            return i + 1;
        }

        if (IsLetter(text, i))
            return ReadWord(text, i, classes);
        AddSymbol(i, 2, (ulong)char.ConvertToUtf32(text, i));
        return i + 2;
    }

    private static bool IsLetter(string text, int i) => System.Text.Rune.IsLetterOrDigit(System.Text.Rune.GetRuneAt(text, i));

    private static bool Joins(string text, int i, CharacterClass of, ReadOnlySpan<CharacterClass> classes)
    {
        if (i + 1 >= text.Length)
            return false;
        var next = classes[text[i + 1]];
        return of switch
        {
            CharacterClass.Joiner => next is CharacterClass.Letter or CharacterClass.Digit,
            CharacterClass.DigitJoiner => next == CharacterClass.Digit && classes[text[i - 1]] == CharacterClass.Digit,
            _ => false,
        };
    }

    private static char Fold(char c) => c < 128 ? (uint)(c - 'A') <= 'Z' - 'A' ? (char)(c | 0x20) : c : char.ToLowerInvariant(c);

    private void AddSymbol(int start, int length, ulong what)
    {
        var hash = Mix((Offset ^ what) * Prime);
        Add(new TextWord(start, length, WordKind.Symbol, hash, hash));
    }

    private void Add(TextWord word)
    {
        if (_wordCount == _words.Length)
            Array.Resize(ref _words, checked(_words.Length * 2));
        _words[_wordCount++] = word;
        if (word.IsSymbol)
            return;
        TrueWords++;
        TrueWordCharacters += word.Length;
        if (word.HasLetter)
            WordsWithLetter++;
    }

    private void EndLine(int start, int end, int firstWord)
    {
        var count = _wordCount - firstWord;
        int from = end, to = end;
        var hash = 0UL;
        if (count > 0)
        {
            from = _words[firstWord].Start;
            to = _words[_wordCount - 1].End;
            foreach (ref readonly var word in _words.AsSpan(firstWord, count))
                hash = (hash ^ (word.Hash + (ulong)(word.Start - start))) * Prime;
            VisibleLines++;
        }

        if (_lineCount == _lines.Length)
            Array.Resize(ref _lines, checked(_lines.Length * 2));
        _lines[_lineCount++] = new TextLine(start, end - start, from, to, firstWord, count, Mix(hash));
    }

    private void ReadParagraphs()
    {
        var i = 0;
        while (i < _lineCount)
        {
            if (_lines[i].IsBlank)
            {
                i++;
                continue;
            }

            var first = i;
            var hash = 0UL;
            while (i < _lineCount && !_lines[i].IsBlank)
                hash = Mix((hash ^ _lines[i++].Hash) * Prime);
            ref readonly var start = ref _lines[first];
            ref readonly var last = ref _lines[i - 1];
            if (_paragraphCount == _paragraphs.Length)
                Array.Resize(ref _paragraphs, checked(_paragraphs.Length * 2));
            _paragraphs[_paragraphCount++] = new TextParagraph(
                start.Start, last.Start + last.Length - start.Start, start.FirstWord, last.FirstWord + last.Words - start.FirstWord, hash);
        }
    }
}
