// What documents a schema allows, in the form that is read byte by byte. Enters: nothing. Leaves: shapes and productions, linked.
// Made by JsonSchemaCompiler, immutable from then on. Does not know: JSON Schema's text, tokens.
namespace Cluster.Inference.Constraints;

/// <summary>A compiled schema and the bounds within which its documents are written.</summary>
/// <param name="Root">The document's.</param>
internal sealed record JsonGrammar(Shape Root)
{
    /// <summary>Most arrays and objects around a value, as many as System.Text.Json reads.</summary>
    public const int MaxDepth = 64;

    /// <summary>Most spaces after a newline, for each array or object around them.</summary>
    public const int IndentPerLevel = 4;

    /// <summary>Most digits before a number's point, and after it. Such an integer fits 64 bits.</summary>
    public const int MaxDigits = 18;

    /// <summary>Most digits of an exponent. Such a number is a finite double.</summary>
    public const int MaxExponentDigits = 2;

    /// <summary>
    /// Most ways to read the same bytes that are followed at once, and most alternatives of one schema. Of more, nested anyOf's can
    /// have them, the first ones are kept: fewer documents can be written then, and each still fits the schema.
    /// </summary>
    public const int MaxReadings = 64;
}

/// <summary>A schema: the values that one place may hold.</summary>
internal sealed class Shape(string at)
{
    /// <summary>Its JSON pointer, for messages.</summary>
    public string At => at;

    /// <summary>What the compiler puts together: productions, and shapes whose productions are meant.</summary>
    public List<object> Parts { get; } = [];

    /// <summary>One of these, anyOf and $ref resolved.</summary>
    public Production[] Alternatives { get; set; } = [];

    /// <summary>The least of the alternatives'.</summary>
    public int Height { get; private set; } = Production.Endless;

    /// <summary>Computes the height anew; returns whether it changed.</summary>
    public bool Settle()
    {
        var before = Height;
        foreach (var production in Alternatives)
        {
            production.Settle();
            Height = Math.Min(Height, production.Height);
        }

        return Height != before;
    }
}

/// <summary>One kind of value.</summary>
internal abstract class Production
{
    /// <summary>The height of what no finite document can hold.</summary>
    public const int Endless = int.MaxValue;

    /// <summary>
    /// How many arrays and objects are nested in the flattest value, itself included. A value begins only where so many levels are
    /// left: what has begun can always be ended.
    /// </summary>
    public int Height { get; private set; } = Endless;

    /// <summary>Computes the height anew from those of the shapes within.</summary>
    public void Settle() => Height = Flattest();

    /// <summary>The height as far as those of the shapes within are known.</summary>
    protected abstract int Flattest();

    /// <summary>Around something of that height.</summary>
    protected static int Around(int height) => height == Endless ? Endless : height + 1;
}

/// <summary>A string of so many characters (code points).</summary>
internal sealed class StringProduction(int min, int max) : Production
{
    public int Min => min;

    /// <summary><see cref="int.MaxValue"/> for no limit.</summary>
    public int Max => max;

    protected override int Flattest() => 0;
}

/// <summary>A number, or one without fraction and exponent.</summary>
internal sealed class NumberProduction(bool integer) : Production
{
    public bool Integer => integer;

    protected override int Flattest() => 0;
}

/// <summary>One of certain values, each in one spelling.</summary>
internal sealed class LiteralProduction(ByteTrie root, int height) : Production
{
    public ByteTrie Root => root;

    protected override int Flattest() => height;
}

/// <summary>An array.</summary>
internal sealed class ArrayProduction(Shape items, int min, int max) : Production
{
    public Shape Items => items;

    public int Min => min;

    /// <summary><see cref="int.MaxValue"/> for no limit.</summary>
    public int Max => max;

    protected override int Flattest() => min == 0 ? 1 : Around(items.Height);
}

/// <summary>A declared property.</summary>
internal sealed record Property(string Name, Shape Value, bool Required);

/// <summary>An object: declared properties in their order, then others.</summary>
internal sealed class ObjectProduction : Production
{
    private readonly int[] _nextRequired;

    public ObjectProduction(Property[] properties, Shape? additional)
    {
        (Properties, Additional) = (properties, additional);
        _nextRequired = new int[properties.Length + 1];
        _nextRequired[^1] = properties.Length;
        for (var i = properties.Length - 1; i >= 0; i--)
            _nextRequired[i] = properties[i].Required ? i : _nextRequired[i + 1];
        for (var i = 0; i < properties.Length; i++)
            Names.Add(JsonSpelling.InsideQuotes(properties[i].Name), i);
    }

    public Property[] Properties { get; }

    /// <summary>The values of properties that are not declared; null if there are none.</summary>
    public Shape? Additional { get; }

    /// <summary>The declared names without their quotes; values are indices.</summary>
    public ByteTrie Names { get; } = new();

    /// <summary>Whether no required property is missing when the next one would have the index <paramref name="next"/> or a later one.</summary>
    public bool MayEnd(int next) => _nextRequired[next] == Properties.Length;

    /// <summary>Whether property <paramref name="index"/> may come next: optional ones before it are skipped, required ones are not.</summary>
    public bool MayCome(int index, int next, int levels) =>
        index >= next && index <= _nextRequired[next] && Properties[index].Value.Height <= levels;

    /// <summary>Whether a property that is not declared may come next.</summary>
    public bool MayAdd(int next, int levels) => Additional is { } additional && MayEnd(next) && additional.Height <= levels;

    /// <summary>Whether any property may come next.</summary>
    public bool MayGoOn(int next, int levels)
    {
        for (var i = next; i < Properties.Length && i <= _nextRequired[next]; i++)
        {
            if (Properties[i].Value.Height <= levels)
                return true;
        }

        return MayAdd(next, levels);
    }

    /// <summary>Whether one of the names that go on from <paramref name="node"/> may come next.</summary>
    public bool MayCome(ByteTrie node, int next, int levels)
    {
        foreach (var index in node.Under)
        {
            if (MayCome(index, next, levels))
                return true;
        }

        return false;
    }

    protected override int Flattest() => Around(Properties.Where(p => p.Required).Select(p => p.Value.Height).DefaultIfEmpty(0).Max());
}
