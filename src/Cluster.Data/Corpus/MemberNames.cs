using System.Globalization;
using System.Text;

namespace Cluster.Data.Corpus;

/// <summary>
/// Documentation ids to readable C# names: "M:System.Collections.Generic.List`1.Add(`0)" to "List&lt;T&gt;.Add(T)". The grammar is that
/// of the C# specification, annex D.4.2 (ID string format). Knows which types exist and how their type parameters are called, because an
/// id alone tells neither where the namespace ends nor the names; it knows no file and no prose.
/// </summary>
public sealed class MemberNames
{
    private static readonly Dictionary<string, string> Keywords = new(StringComparer.Ordinal)
    {
        ["System.Boolean"] = "bool",
        ["System.Byte"] = "byte",
        ["System.SByte"] = "sbyte",
        ["System.Char"] = "char",
        ["System.Decimal"] = "decimal",
        ["System.Double"] = "double",
        ["System.Single"] = "float",
        ["System.Int32"] = "int",
        ["System.UInt32"] = "uint",
        ["System.IntPtr"] = "nint",
        ["System.UIntPtr"] = "nuint",
        ["System.Int64"] = "long",
        ["System.UInt64"] = "ulong",
        ["System.Int16"] = "short",
        ["System.UInt16"] = "ushort",
        ["System.Object"] = "object",
        ["System.String"] = "string",
        ["System.Void"] = "void",
    };

    private static readonly Dictionary<string, string> Operators = new(StringComparer.Ordinal)
    {
        ["op_Addition"] = "+",
        ["op_Subtraction"] = "-",
        ["op_Multiply"] = "*",
        ["op_Division"] = "/",
        ["op_Modulus"] = "%",
        ["op_BitwiseAnd"] = "&",
        ["op_BitwiseOr"] = "|",
        ["op_ExclusiveOr"] = "^",
        ["op_LeftShift"] = "<<",
        ["op_RightShift"] = ">>",
        ["op_UnsignedRightShift"] = ">>>",
        ["op_Equality"] = "==",
        ["op_Inequality"] = "!=",
        ["op_LessThan"] = "<",
        ["op_GreaterThan"] = ">",
        ["op_LessThanOrEqual"] = "<=",
        ["op_GreaterThanOrEqual"] = ">=",
        ["op_UnaryPlus"] = "+",
        ["op_UnaryNegation"] = "-",
        ["op_LogicalNot"] = "!",
        ["op_OnesComplement"] = "~",
        ["op_Increment"] = "++",
        ["op_Decrement"] = "--",
        ["op_True"] = "true",
        ["op_False"] = "false",
    };

    private readonly IReadOnlyDictionary<string, IReadOnlyList<string>> _types;

    /// <param name="types">Known types: id without "T:" (so with arity, "System.Collections.Generic.List`1") to the names of the type
    /// parameters that its documentation describes.</param>
    public MemberNames(IReadOnlyDictionary<string, IReadOnlyList<string>> types) => _types = types;

    /// <summary>The kind that an id tells, or null for a namespace, an overload group or an unresolved reference.</summary>
    public static MemberKind? KindOf(string id)
    {
        if (id.Length < 3 || id[1] != ':')
            return null;
        return id[0] switch
        {
            'T' => MemberKind.Type,
            'P' => MemberKind.Property,
            'F' => MemberKind.Field,
            'E' => MemberKind.Event,
            'M' => MemberPart(id) switch
            {
                "#ctor" or "#cctor" => MemberKind.Constructor,
                var name when name.StartsWith("op_", StringComparison.Ordinal) => MemberKind.Operator,
                _ => MemberKind.Method,
            },
            _ => null,
        };
    }

    /// <summary>Whether the member implements an interface explicitly, which puts '#' for the dots of the interface's name.</summary>
    public static bool IsExplicitImplementation(string id)
    {
        var name = MemberPart(id);
        return name.IndexOf('#', StringComparison.Ordinal) > 0 || name.Contains('{', StringComparison.Ordinal);
    }

    /// <summary>The declaring type's id without "T:"; of a type, itself.</summary>
    public static string DeclaringType(string id)
    {
        var path = PathOf(id);
        return id[0] == 'T' ? path : path[..Math.Max(0, LastDot(path))];
    }

    /// <summary>Full name of the outermost declaring type without arity: "System.Collections.Generic.Dictionary".</summary>
    public string Group(string id)
    {
        var type = DeclaringType(id);
        var end = NamespaceEnd(type);
        var next = type.IndexOfAny(['.', '`'], end);
        return next < 0 ? type : type[..next];
    }

    /// <summary>The declaring type with its namespace: "System.Collections.Generic.List&lt;T&gt;".</summary>
    public string FullType(string id)
    {
        var type = DeclaringType(id);
        return type[..NamespaceEnd(type)] + TypePath(type);
    }

    /// <summary>Name without parameters, as prose refers to it: "List&lt;T&gt;.Add". An id that cannot be resolved gives what is legible of it.</summary>
    public string Reference(string id)
    {
        if (id.Length < 2 || id[1] != ':')
            return id;
        if (id[0] is 'N' or '!')
            return id[2..];
        if (id[0] == 'T')
            return TypePath(PathOf(id));
        var path = PathOf(id);
        var dot = LastDot(path);
        if (dot < 0)
            return path;
        var type = TypePath(path[..dot]);
        var name = path[(dot + 1)..];
        return name switch
        {
            "#ctor" or "#cctor" => type,
            _ when name.StartsWith("op_", StringComparison.Ordinal) => $"{type}.{OperatorName(name)}",
            _ => $"{type}.{MethodName(name, [])}",
        };
    }

    /// <summary>Name with parameter types, and with parameter names where they are given: "List&lt;T&gt;.Add(T item)".</summary>
    /// <param name="id">The documentation id.</param>
    /// <param name="parameterNames">As many names as the id has parameters, or null.</param>
    /// <param name="typeParameterNames">The names of a generic method's own type parameters.</param>
    public string Display(string id, IReadOnlyList<string>? parameterNames, IReadOnlyList<string> typeParameterNames)
    {
        if (id[0] == 'T')
            return TypePath(PathOf(id));
        var path = PathOf(id);
        var dot = LastDot(path);
        var typeId = path[..Math.Max(0, dot)];
        var type = TypePath(typeId);
        var name = path[(dot + 1)..];
        var rest = id[(2 + path.Length)..];
        var reader = new TypeReader(this, rest, TypeParametersOf(typeId), typeParameterNames);
        var types = reader.Parameters(out var result);
        if (parameterNames?.Count == types.Count)
            types = [.. types.Select((t, i) => $"{t} {parameterNames[i]}")];
        var parameters = string.Join(", ", types);
        return id[0] switch
        {
            'P' when types.Count > 0 => $"{type}[{parameters}]",
            'M' => name switch
            {
                "#ctor" or "#cctor" => $"new {type}({parameters})",
                "op_Implicit" or "op_Explicit" => $"{OperatorName(name)} {result ?? type}({parameters})",
                _ when name.StartsWith("op_", StringComparison.Ordinal) => $"{type}.{OperatorName(name)}({parameters})",
                _ => $"{type}.{MethodName(name, typeParameterNames)}({parameters})",
            },
            _ => $"{type}.{name}",
        };
    }

    private static string OperatorName(string name) => name switch
    {
        "op_Implicit" => "implicit operator",
        "op_Explicit" => "explicit operator",
        _ when name.StartsWith("op_Checked", StringComparison.Ordinal) => "checked " + OperatorName("op_" + name["op_Checked".Length..]),
        _ => "operator " + Operators.GetValueOrDefault(name, name["op_".Length..]),
    };

    private static string MethodName(string name, IReadOnlyList<string> typeParameterNames)
    {
        var tick = name.IndexOf("``", StringComparison.Ordinal);
        if (tick < 0)
            return name;
        return name[..tick] + Generic(typeParameterNames, ParseCount(name.AsSpan(tick + 2)));
    }

    private static int ParseCount(ReadOnlySpan<char> digits) =>
        int.TryParse(digits, NumberStyles.None, CultureInfo.InvariantCulture, out var count) ? Math.Min(count, 32) : 1;

    private static string Generic(IReadOnlyList<string> names, int count) =>
        $"<{string.Join(", ", Enumerable.Range(0, count).Select(i => ParameterName(names, i, count)))}>";

    private static string ParameterName(IReadOnlyList<string> names, int index, int count) =>
        index < names.Count ? names[index] : count <= 1 ? "T" : string.Create(CultureInfo.InvariantCulture, $"T{index + 1}");

    /// <summary>The id's path: no kind, no parameters, no result.</summary>
    private static string PathOf(string id)
    {
        var end = id.IndexOfAny(['(', '~'], 2);
        return end < 0 ? id[2..] : id[2..end];
    }

    private static string MemberPart(string id)
    {
        var path = PathOf(id);
        return path[(LastDot(path) + 1)..];
    }

    /// <summary>The last dot outside braces; -1 without one.</summary>
    private static int LastDot(string path)
    {
        var brace = path.IndexOf('{', StringComparison.Ordinal);
        return path.LastIndexOf('.', brace < 0 ? Math.Max(0, path.Length - 1) : brace);
    }

    /// <summary>Where the outermost type's name starts.</summary>
    private int NamespaceEnd(string type)
    {
        for (var dot = type.IndexOf('.', StringComparison.Ordinal); dot >= 0; dot = type.IndexOf('.', dot + 1))
        {
            if (_types.ContainsKey(type[..dot]))
                return type.LastIndexOf('.', dot - 1) + 1;
        }

        return type.LastIndexOf('.') + 1;
    }

    /// <summary>"System.Collections.Generic.Dictionary`2.Enumerator" to "Dictionary&lt;TKey, TValue&gt;.Enumerator".</summary>
    private string TypePath(string type)
    {
        var text = new StringBuilder();
        var names = TypeParametersOf(type);
        var used = 0;
        foreach (var segment in type[NamespaceEnd(type)..].Split('.'))
        {
            if (text.Length > 0)
                text.Append('.');
            var tick = segment.IndexOf('`', StringComparison.Ordinal);
            if (tick < 0)
            {
                text.Append(segment);
                continue;
            }

            var count = ParseCount(segment.AsSpan(tick).TrimStart('`'));
            text.Append(segment.AsSpan(0, tick)).Append(Generic([.. names.Skip(used)], count));
            used += count;
        }

        return text.ToString();
    }

    /// <summary>Names for `0, `1, … within a type: those of the enclosing types first.</summary>
    private List<string> TypeParametersOf(string type)
    {
        var names = new List<string>();
        for (var tick = type.IndexOf('`', StringComparison.Ordinal); tick >= 0;)
        {
            var end = type.IndexOf('.', tick);
            end = end < 0 ? type.Length : end;
            var count = ParseCount(type.AsSpan(tick, end - tick).TrimStart('`'));
            var own = _types.GetValueOrDefault(type[..end]) ?? [];
            // The documentation of a nested type may repeat the names of the enclosing ones: the last ones are its own.
            own = own.Count > count ? [.. own.Skip(own.Count - count)] : own;
            for (var i = 0; i < count; i++)
                names.Add(ParameterName(own, i, count));
            tick = end < type.Length ? type.IndexOf('`', end) : -1;
        }

        return names;
    }

    /// <summary>Recursive descent over the part of an id after its path: "(type,type)~type".</summary>
    private ref struct TypeReader(MemberNames names, string text, IReadOnlyList<string> ofType, IReadOnlyList<string> ofMethod)
    {
        private int _at;

        public List<string> Parameters(out string? result)
        {
            var types = new List<string>();
            if (Take('('))
            {
                while (_at < text.Length && !Take(')'))
                {
                    types.Add(Type());
                    if (!Take(',') && Peek() != ')')
                        _at++;
                }
            }

            result = Take('~') ? Type() : null;
            return types;
        }

        private readonly char Peek() => _at < text.Length ? text[_at] : '\0';

        private bool Take(char c)
        {
            if (Peek() != c)
                return false;
            _at++;
            return true;
        }

        private string Type()
        {
            var name = Peek() == '`' ? Parameter() : Named();
            for (; ; )
            {
                if (Take('@'))
                    name = "ref " + name;
                else if (Take('*'))
                    name += "*";
                else if (Peek() == '[')
                {
                    var end = text.IndexOf(']', _at);
                    end = end < 0 ? text.Length - 1 : end;
                    name += "[" + new string(',', text.AsSpan(_at, end - _at).Count(',')) + "]";
                    _at = end + 1;
                }
                else
                    return name;
            }
        }

        private string Parameter()
        {
            var method = text.AsSpan(_at).StartsWith("``");
            _at += method ? 2 : 1;
            var start = _at;
            while (char.IsAsciiDigit(Peek()))
                _at++;
            var index = int.TryParse(text.AsSpan(start, _at - start), NumberStyles.None, CultureInfo.InvariantCulture, out var i) ? i : 0;
            var list = method ? ofMethod : ofType;
            return ParameterName(list, index, Math.Max(list.Count, index + 1));
        }

        private string Named()
        {
            // The id with arities finds the type; the readable segments, with arguments, make the name.
            var id = new StringBuilder();
            var segments = new List<(int IdEnd, string Text)>();
            do
            {
                var start = _at;
                while (_at < text.Length && !".,(){}[]@*~".Contains(text[_at], StringComparison.Ordinal))
                    _at++;
                var segment = text[start.._at];
                id.Append(id.Length > 0 ? "." : "").Append(segment);
                if (Take('{'))
                {
                    var arguments = new List<string>();
                    while (_at < text.Length && !Take('}'))
                    {
                        arguments.Add(Type());
                        if (!Take(',') && Peek() != '}')
                            _at++;
                    }

                    id.Append(CultureInfo.InvariantCulture, $"`{arguments.Count}");
                    segment = segment == "Nullable" && arguments.Count == 1 ? arguments[0] + "?" : $"{segment}<{string.Join(", ", arguments)}>";
                }

                segments.Add((id.Length, segment));
            }
            while (Take('.'));

            var full = id.ToString();
            if (Keywords.TryGetValue(full, out var keyword))
                return keyword;
            var first = names.NamespaceEnd(full);
            return string.Join('.', segments.Where(s => s.IdEnd > first).Select(s => s.Text));
        }
    }
}
