// The inside of JSON strings and numbers, byte by byte. Enters: a state, a byte. Leaves: the next state. Does not know: schemas.
namespace Cluster.Inference.Constraints;

/// <summary>Where in a string: what must follow for its bytes to be UTF-8 and its escapes to be Unicode characters.</summary>
internal enum TextState
{
    /// <summary>The byte cannot come here.</summary>
    Refused = -1,

    /// <summary>Between two characters.</summary>
    Plain,

    /// <summary>So many more bytes 80–BF.</summary>
    One,
    Two,
    Three,

    /// <summary>After the byte of that value, which narrows the next: no overlong forms, no surrogates, nothing above 10FFFF.</summary>
    AfterE0,
    AfterED,
    AfterF0,
    AfterF4,

    /// <summary>After a backslash.</summary>
    Escape,

    /// <summary>The first of four hexadecimal digits.</summary>
    Hex,

    /// <summary>After the first digit, if it is D.</summary>
    HexAfterD,

    /// <summary>So many more digits.</summary>
    HexThree,
    HexTwo,
    HexOne,

    /// <summary>So many more digits of a high surrogate.</summary>
    HighTwo,
    HighOne,

    /// <summary>The escape of the low surrogate that must follow: backslash, u, D, C–F, two digits.</summary>
    LowBackslash,
    LowU,
    LowD,
    LowC,
}

/// <summary>Where in a number.</summary>
internal enum NumberState
{
    /// <summary>The byte cannot come here.</summary>
    Refused = -1,
    Minus,
    Zero,
    Whole,
    Point,
    Fraction,
    E,
    ExponentSign,
    Exponent,
}

/// <summary>The automata of strings (RFC 8259 over UTF-8, RFC 3629) and numbers.</summary>
internal static class JsonText
{
    /// <summary>The state after a byte; the closing quote is the caller's.</summary>
    public static TextState Next(TextState state, byte b) => state switch
    {
        TextState.Plain => b switch
        {
            (byte)'\\' => TextState.Escape,
            < 0x20 or (byte)'"' => TextState.Refused,
            < 0x80 => TextState.Plain,
            < 0xC2 => TextState.Refused,
            < 0xE0 => TextState.One,
            0xE0 => TextState.AfterE0,
            0xED => TextState.AfterED,
            < 0xF0 => TextState.Two,
            0xF0 => TextState.AfterF0,
            < 0xF4 => TextState.Three,
            0xF4 => TextState.AfterF4,
            _ => TextState.Refused,
        },
        TextState.One => If(b is >= 0x80 and < 0xC0, TextState.Plain),
        TextState.Two => If(b is >= 0x80 and < 0xC0, TextState.One),
        TextState.Three => If(b is >= 0x80 and < 0xC0, TextState.Two),
        TextState.AfterE0 => If(b is >= 0xA0 and < 0xC0, TextState.One),
        TextState.AfterED => If(b is >= 0x80 and < 0xA0, TextState.One),
        TextState.AfterF0 => If(b is >= 0x90 and < 0xC0, TextState.Two),
        TextState.AfterF4 => If(b is >= 0x80 and < 0x90, TextState.Two),
        TextState.Escape => b switch
        {
            (byte)'u' => TextState.Hex,
            (byte)'"' or (byte)'\\' or (byte)'/' or (byte)'b' or (byte)'f' or (byte)'n' or (byte)'r' or (byte)'t' => TextState.Plain,
            _ => TextState.Refused,
        },
        TextState.Hex => b is (byte)'d' or (byte)'D' ? TextState.HexAfterD : If(char.IsAsciiHexDigit((char)b), TextState.HexThree),
        TextState.HexAfterD => b switch
        {
            >= (byte)'0' and <= (byte)'7' => TextState.HexTwo,
            (byte)'8' or (byte)'9' or (byte)'a' or (byte)'b' or (byte)'A' or (byte)'B' => TextState.HighTwo,
            _ => TextState.Refused,
        },
        TextState.HexThree => If(char.IsAsciiHexDigit((char)b), TextState.HexTwo),
        TextState.HexTwo => If(char.IsAsciiHexDigit((char)b), TextState.HexOne),
        TextState.HexOne => If(char.IsAsciiHexDigit((char)b), TextState.Plain),
        TextState.HighTwo => If(char.IsAsciiHexDigit((char)b), TextState.HighOne),
        TextState.HighOne => If(char.IsAsciiHexDigit((char)b), TextState.LowBackslash),
        TextState.LowBackslash => If(b == '\\', TextState.LowU),
        TextState.LowU => If(b == 'u', TextState.LowD),
        TextState.LowD => If(b is (byte)'d' or (byte)'D', TextState.LowC),
        TextState.LowC => If(b is (>= (byte)'c' and <= (byte)'f') or (>= (byte)'C' and <= (byte)'F'), TextState.HexTwo),
        _ => TextState.Refused,
    };

    /// <summary>The state after a number's first byte.</summary>
    public static NumberState Begin(byte b) => b switch
    {
        (byte)'-' => NumberState.Minus,
        (byte)'0' => NumberState.Zero,
        >= (byte)'1' and <= (byte)'9' => NumberState.Whole,
        _ => NumberState.Refused,
    };

    /// <summary>The state after a byte; <paramref name="digits"/> are those of the present part.</summary>
    public static NumberState Next(NumberState state, byte b, bool integer, ref int digits)
    {
        var (before, digit) = (digits, char.IsAsciiDigit((char)b));
        digits = 1;
        switch (state)
        {
            case NumberState.Minus:
                return b == '-' ? NumberState.Refused : Begin(b);
            case NumberState.Whole or NumberState.Fraction or NumberState.Exponent when digit:
                digits = before + 1;
                return before < (state == NumberState.Exponent ? JsonGrammar.MaxExponentDigits : JsonGrammar.MaxDigits) ? state : NumberState.Refused;
            case NumberState.Zero or NumberState.Whole when b == '.' && !integer:
                return NumberState.Point;
            case NumberState.Zero or NumberState.Whole or NumberState.Fraction when b is (byte)'e' or (byte)'E' && !integer:
                return NumberState.E;
            case NumberState.Point when digit:
                return NumberState.Fraction;
            case NumberState.E when b is (byte)'+' or (byte)'-':
                return NumberState.ExponentSign;
            case NumberState.E or NumberState.ExponentSign when digit:
                return NumberState.Exponent;
            default:
                return NumberState.Refused;
        }
    }

    /// <summary>Whether the number may end here.</summary>
    public static bool MayEnd(NumberState state) => state is NumberState.Zero or NumberState.Whole or NumberState.Fraction or NumberState.Exponent;

    private static TextState If(bool holds, TextState next) => holds ? next : TextState.Refused;
}
