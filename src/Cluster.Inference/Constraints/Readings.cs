// The automaton. Enters: readings and a byte. Leaves: the readings after it. Does not know: tokens, JSON Schema's text.
// Bytes may have several readings (anyOf, types with common beginnings), each with a stack of its own. Every reading can be ended by
// some further bytes: a value begins only where enough levels are left, and a bound is checked before it is passed.
namespace Cluster.Inference.Constraints;

/// <summary>A growing list of readings, of which a stretch at its end can be taken off again. One thread at a time.</summary>
internal sealed class Readings
{
    private Reading[] _items = new Reading[16];
    private int _first;

    /// <summary>How many there are; to lower it takes the last ones off.</summary>
    public int Count { get; set; }

    public ReadOnlySpan<Reading> this[Range range] => _items.AsSpan(0, Count)[range];

    public void Add(ReadOnlySpan<Reading> readings)
    {
        _first = Count;
        foreach (var reading in readings)
            Add(reading);
    }

    /// <summary>Adds the readings that those from <paramref name="start"/> to <paramref name="end"/> become with a byte; false if none.</summary>
    public bool Step(int start, int end, byte b)
    {
        _first = Count;
        for (var i = start; i < end; i++)
        {
            var reading = _items[i];
            Step(in reading, b);
        }

        return Count > _first;
    }

    private void Add(in Reading reading)
    {
        var stretch = _items.AsSpan(_first, Count - _first);
        if (stretch.Length == JsonGrammar.MaxReadings)
            return;
        foreach (ref readonly var other in stretch)
        {
            if (other.Equals(reading))
                return;
        }

        if (Count == _items.Length)
            Array.Resize(ref _items, 2 * Count);
        _items[Count++] = reading;
    }

    private void Step(in Reading reading, byte b)
    {
        switch (reading.Phase)
        {
            case Phase.String:
                String(in reading, b);
                return;
            case Phase.Name:
                Name(in reading, b);
                return;
            case Phase.Number:
                var digits = reading.Count;
                var state = JsonText.Next((NumberState)reading.State, b, ((NumberProduction)reading.Node!).Integer, ref digits);
                if (state != NumberState.Refused)
                    Add(reading with { State = (int)state, Count = digits });
                else if (reading.MayEndValue)
                    AfterValue(new Reading(Phase.AfterValue, reading.Around), b);
                return;
            case Phase.Literal:
                Literal((ByteTrie)reading.Node!, reading.Around, b);
                if (reading.MayEndValue)
                    AfterValue(new Reading(Phase.AfterValue, reading.Around), b);
                return;
            case Phase.AfterValue:
                AfterValue(in reading, b);
                return;
        }

        if (Blank(in reading, b))
            return;
        switch (reading.Phase)
        {
            case Phase.Value:
                Value((Shape)reading.Node!, reading.Around, b);
                break;
            case Phase.ArrayStart:
                ArrayStart(reading.Around!, b);
                break;
            case Phase.ObjectStart:
                if (b == '}' && ((ObjectProduction)reading.Around!.Production).MayEnd(reading.Around.Count))
                    Add(new Reading(Phase.AfterValue, reading.Around.Outer));
                else
                    BeginName(reading.Around!, b);
                break;
            case Phase.NextProperty:
                BeginName(reading.Around!, b);
                break;
            case Phase.Colon when b == ':':
                Add(new Reading(Phase.Value, reading.Around, reading.Node));
                break;
        }
    }

    /// <summary>Reads one space, or a newline and the spaces that indent the next line; false if the byte is none of these.</summary>
    private bool Blank(in Reading reading, byte b)
    {
        if (b is not ((byte)' ' or (byte)'\n'))
            return false;
        var blank = reading.Blank;
        if (blank == 0)
            Add(reading with { Blank = b == ' ' ? 1 : 2 });
        else if (b == ' ' && blank >= 2 && blank - 2 < JsonGrammar.IndentPerLevel * (reading.Around?.Depth ?? 0))
            Add(reading with { Blank = blank + 1 });
        return true;
    }

    private static int Levels(Frame? around) => JsonGrammar.MaxDepth - (around?.Depth ?? 0);

    private void Value(Shape shape, Frame? around, byte b)
    {
        var levels = Levels(around);
        foreach (var production in shape.Alternatives)
        {
            if (production.Height > levels)
                continue;
            switch (production)
            {
                case StringProduction when b == '"':
                    Add(new Reading(Phase.String, around, production));
                    break;
                case NumberProduction when JsonText.Begin(b) is var state and not NumberState.Refused:
                    Add(new Reading(Phase.Number, around, production, (int)state, Count: 1));
                    break;
                case LiteralProduction literal:
                    Literal(literal.Root, around, b);
                    break;
                case ArrayProduction when b == '[':
                    Add(new Reading(Phase.ArrayStart, new Frame(production, 0, around)));
                    break;
                case ObjectProduction when b == '{':
                    Add(new Reading(Phase.ObjectStart, new Frame(production, 0, around)));
                    break;
            }
        }
    }

    private void Literal(ByteTrie node, Frame? around, byte b)
    {
        if (node.Next(b) is not { } next)
            return;
        Add(next.GoesOn ? new Reading(Phase.Literal, around, next) : new Reading(Phase.AfterValue, around));
    }

    private void String(in Reading reading, byte b)
    {
        var production = (StringProduction)reading.Node!;
        var (state, count) = ((TextState)reading.State, reading.Count);
        if (state == TextState.Plain)
        {
            if (b == '"')
            {
                if (count >= production.Min)
                    Add(new Reading(Phase.AfterValue, reading.Around));
                return;
            }

            if (count == production.Max)
                return;
            // Counted only as far as it matters: long strings have few states.
            if (production.Max != int.MaxValue || count < production.Min)
                count++;
        }

        state = JsonText.Next(state, b);
        if (state != TextState.Refused)
            Add(reading with { State = (int)state, Count = count });
    }

    private void ArrayStart(Frame frame, byte b)
    {
        var array = (ArrayProduction)frame.Production;
        if (b == ']')
        {
            if (array.Min == 0)
                Add(new Reading(Phase.AfterValue, frame.Outer));
        }
        else if (array.Max > 0)
        {
            Value(array.Items, frame.With(Counted(array, 0)), b);
        }
    }

    private static int Counted(ArrayProduction array, int count) => array.Max != int.MaxValue || count < array.Min ? count + 1 : count;

    private void AfterValue(in Reading reading, byte b)
    {
        if (reading.Around is not { } frame || Blank(in reading, b))
            return;
        switch (frame.Production)
        {
            case ArrayProduction array:
                // Levels are left for another value, as they were for the one before.
                if (b == ',' && frame.Count < array.Max)
                    Add(new Reading(Phase.Value, frame.With(Counted(array, frame.Count)), array.Items));
                else if (b == ']' && frame.Count >= array.Min)
                    Add(new Reading(Phase.AfterValue, frame.Outer));
                break;
            case ObjectProduction production:
                if (b == ',' && production.MayGoOn(frame.Count, Levels(frame)))
                    Add(new Reading(Phase.NextProperty, frame));
                else if (b == '}' && production.MayEnd(frame.Count))
                    Add(new Reading(Phase.AfterValue, frame.Outer));
                break;
        }
    }

    private void BeginName(Frame frame, byte b)
    {
        var production = (ObjectProduction)frame.Production;
        if (b == '"' && production.MayGoOn(frame.Count, Levels(frame)))
            Add(new Reading(Phase.Name, frame, production.Names, Count: production.MayAdd(frame.Count, Levels(frame)) ? 1 : 0));
    }

    /// <summary>
    /// A name may be one of those declared or, if the schema allows, another. The latter must not turn out to be a declared one in
    /// disguise: beside declared names it has no escapes, and it is compared with them byte by byte.
    /// </summary>
    private void Name(in Reading reading, byte b)
    {
        var frame = reading.Around!;
        var production = (ObjectProduction)frame.Production;
        var node = (ByteTrie?)reading.Node;
        if (b == '"' && reading.State == (int)TextState.Plain)
        {
            if (node is { Value: >= 0 and var index })
            {
                if (production.MayCome(index, frame.Count, Levels(frame)))
                    Add(new Reading(Phase.Colon, frame.With(index + 1), production.Properties[index].Value));
            }
            else if (reading.Count == 1)
            {
                Add(new Reading(Phase.Colon, frame.With(production.Properties.Length), production.Additional));
            }

            return;
        }

        var state = JsonText.Next((TextState)reading.State, b);
        if (state == TextState.Refused)
            return;
        node = node?.Next(b);
        var other = reading.Count == 1 && (b != '\\' || production.Properties.Length == 0);
        if (other || (node is not null && production.MayCome(node, frame.Count, Levels(frame))))
            Add(reading with { Node = node, State = (int)state, Count = other ? 1 : 0 });
    }
}
