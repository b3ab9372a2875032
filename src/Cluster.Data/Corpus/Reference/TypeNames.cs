using System.Globalization;

namespace Cluster.Data.Corpus.Reference;

/// <summary>
/// The types a set of documentation files documents, with the names of their type parameters. Answers what an id alone cannot:
/// where the namespace ends and nesting begins, and what <c>`0</c> is called. Built before prose is read, then only read.
/// </summary>
internal sealed class TypeNames
{
    private readonly Dictionary<string, string[]> _parameters = new(StringComparer.Ordinal);
    private readonly Dictionary<string, string[]>.AlternateLookup<ReadOnlySpan<char>> _lookup;

    public TypeNames() => _lookup = _parameters.GetAlternateLookup<ReadOnlySpan<char>>();

    /// <summary>Adds a documented type; the first documentation of an id stays.</summary>
    public void Add(string typeId, string[] parameterNames) => _parameters.TryAdd(typeId, parameterNames);

    public bool Contains(ReadOnlySpan<char> typeId) => _lookup.ContainsKey(typeId);

    /// <summary>The length of the outermost type's id within <paramref name="typeId"/>.</summary>
    public int OutermostLength(ReadOnlySpan<char> typeId)
    {
        for (var dot = typeId.IndexOf('.'); dot >= 0;)
        {
            if (Contains(typeId[..dot]))
                return dot;
            var next = typeId[(dot + 1)..].IndexOf('.');
            dot = next < 0 ? -1 : dot + 1 + next;
        }

        return typeId.Length;
    }

    /// <summary>The type's namespace, empty for a type outside any.</summary>
    public string Namespace(string typeId)
    {
        var outermost = typeId.AsSpan(0, OutermostLength(typeId));
        var dot = outermost.LastIndexOf('.');
        return dot < 0 ? "" : typeId[..dot];
    }

    /// <summary>Names of all type parameters in scope within the type, outer types' first: what <c>`0</c>, <c>`1</c>… mean.</summary>
    public List<string> ParametersInScope(string typeId)
    {
        var names = new List<string>();
        for (var dot = OutermostLength(typeId); ; dot = NextDot(typeId, dot))
        {
            names.AddRange(Parameters(typeId.AsSpan(0, dot)));
            if (dot == typeId.Length)
                return names;
        }
    }

    /// <summary>Names of the type parameters that the last segment of the id declares: documented ones, else T, or T1, T2…</summary>
    public string[] Parameters(ReadOnlySpan<char> typeId)
    {
        var arity = Arity(typeId);
        if (arity == 0)
            return [];
        return _lookup.TryGetValue(typeId, out var names) && names.Length == arity ? names : Unnamed(arity);
    }

    /// <summary>What undocumented type parameters are called.</summary>
    public static string[] Unnamed(int arity) =>
        arity == 1 ? ["T"] : [.. Enumerable.Range(1, arity).Select(i => "T" + i.ToString(CultureInfo.InvariantCulture))];

    /// <summary>The number after the backtick of the last segment, 0 without one.</summary>
    public static int Arity(ReadOnlySpan<char> id)
    {
        var tick = id.LastIndexOf('`');
        return tick >= 0 && int.TryParse(id[(tick + 1)..], out var arity) ? arity : 0;
    }

    private static int NextDot(string id, int after)
    {
        var dot = id.IndexOf('.', after + 1);
        return dot < 0 ? id.Length : dot;
    }
}
