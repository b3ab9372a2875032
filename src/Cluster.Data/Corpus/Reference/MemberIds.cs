using System.Text;

namespace Cluster.Data.Corpus.Reference;

/// <summary>
/// Documentation ids in, readable C# names out ("M:System.String.Substring(System.Int32)" → "String.Substring(int)"), after the
/// grammar of C# language specification, annex D.4.2. Knows nothing of prose.
/// </summary>
internal static class MemberIds
{
    private static readonly Dictionary<string, string> Keywords = new(StringComparer.Ordinal)
    {
        ["System.Boolean"] = "bool",
        ["System.Byte"] = "byte",
        ["System.SByte"] = "sbyte",
        ["System.Char"] = "char",
        ["System.Int16"] = "short",
        ["System.UInt16"] = "ushort",
        ["System.Int32"] = "int",
        ["System.UInt32"] = "uint",
        ["System.Int64"] = "long",
        ["System.UInt64"] = "ulong",
        ["System.IntPtr"] = "nint",
        ["System.UIntPtr"] = "nuint",
        ["System.Single"] = "float",
        ["System.Double"] = "double",
        ["System.Decimal"] = "decimal",
        ["System.String"] = "string",
        ["System.Object"] = "object",
        ["System.Void"] = "void",
    };

    private static readonly Dictionary<string, string> Operators = new(StringComparer.Ordinal)
    {
        ["Addition"] = "+",
        ["Subtraction"] = "-",
        ["Multiply"] = "*",
        ["Division"] = "/",
        ["Modulus"] = "%",
        ["BitwiseAnd"] = "&",
        ["BitwiseOr"] = "|",
        ["ExclusiveOr"] = "^",
        ["LeftShift"] = "<<",
        ["RightShift"] = ">>",
        ["UnsignedRightShift"] = ">>>",
        ["Equality"] = "==",
        ["Inequality"] = "!=",
        ["LessThan"] = "<",
        ["LessThanOrEqual"] = "<=",
        ["GreaterThan"] = ">",
        ["GreaterThanOrEqual"] = ">=",
        ["UnaryNegation"] = "-",
        ["UnaryPlus"] = "+",
        ["OnesComplement"] = "~",
        ["LogicalNot"] = "!",
        ["Increment"] = "++",
        ["Decrement"] = "--",
        ["True"] = "true",
        ["False"] = "false",
    };

    /// <summary>The parts of a member's id, the two letters of its kind removed.</summary>
    /// <param name="Owner">Id of the declaring type.</param>
    /// <param name="Name">The last segment, with arity: <c>#ctor</c>, <c>Select``2</c>, <c>op_Addition</c>.</param>
    /// <param name="Arguments">Between the parentheses, empty if there are none.</param>
    /// <param name="Conversion">What a conversion operator converts to, else empty.</param>
    public readonly record struct Parts(string Owner, string Name, string Arguments, string Conversion);

    public static Parts Split(string id)
    {
        var body = id[2..];
        string arguments = "", conversion = "";
        var tilde = body.LastIndexOf('~');
        if (tilde > 0)
        {
            conversion = body[(tilde + 1)..];
            body = body[..tilde];
        }

        var open = body.IndexOf('(', StringComparison.Ordinal);
        if (open >= 0)
        {
            var close = body.LastIndexOf(')');
            arguments = body[(open + 1)..(close > open ? close : body.Length)];
            body = body[..open];
        }

        // Explicit implementations write '#' for the dots of the interface, so the last dot always ends the owner.
        var dot = body.LastIndexOf('.');
        return dot < 0 ? new Parts("", body, arguments, conversion) : new Parts(body[..dot], body[(dot + 1)..], arguments, conversion);
    }

    public static MemberKind Kind(string id, string name) => id[0] switch
    {
        'P' => MemberKind.Property,
        'F' => MemberKind.Field,
        'E' => MemberKind.Event,
        'M' when name is "#ctor" or "#cctor" => MemberKind.Constructor,
        'M' when name.StartsWith("op_", StringComparison.Ordinal) => MemberKind.Operator,
        'M' => MemberKind.Method,
        _ => MemberKind.Type,
    };

    /// <summary>The readable name of a type's id: <c>Dictionary&lt;TKey, TValue&gt;.KeyCollection</c>.</summary>
    public static string TypeName(string typeId, TypeNames names) => new Reader(typeId, names, [], [], keywords: false).Type();

    /// <summary>The readable name of a member with its signature: <c>List&lt;T&gt;.Insert(int, T)</c>.</summary>
    /// <param name="id">The full id.</param>
    /// <param name="methodParameters">Documented type parameters of a generic method.</param>
    /// <param name="names">Known types.</param>
    public static string MemberName(string id, IReadOnlyList<string> methodParameters, TypeNames names)
    {
        var (owner, name, arguments, conversion) = Split(id);
        var ownerName = TypeName(owner, names);
        var scope = names.ParametersInScope(owner);
        var arity = TypeNames.Arity(name);
        var methodScope = arity == 0 ? [] : methodParameters.Count == arity ? methodParameters : TypeNames.Unnamed(arity);
        var bare = WithoutArity(name);
        var kind = Kind(id, name);
        var reader = new Reader(arguments, names, scope, methodScope, keywords: true);
        // The id says only "by reference"; by convention the Try pattern means out.
        var byReference = bare.StartsWith("Try", StringComparison.Ordinal) || bare == "Deconstruct" ? "out " : "ref ";
        var list = string.Join(", ", reader.List(byReference));
        if (arity > 0)
            bare += $"<{string.Join(", ", methodScope)}>";
        return kind switch
        {
            MemberKind.Constructor => name == "#cctor" ? $"static {ownerName}()" : $"{ownerName}({list})",
            MemberKind.Operator when conversion.Length > 0 =>
                $"{ownerName}.{(name.Contains("Implicit", StringComparison.Ordinal) ? "implicit" : "explicit")} operator "
                + $"{new Reader(conversion, names, scope, methodScope, keywords: true).Type()}({list})",
            MemberKind.Operator => $"{ownerName}.{OperatorName(name)}({list})",
            MemberKind.Method => $"{ownerName}.{bare}({list})",
            MemberKind.Property when list.Length > 0 => $"{ownerName}.{bare}[{list}]",
            _ => $"{ownerName}.{bare}",
        };
    }

    /// <summary>The readable name of a reference in prose: members without their signatures, types by their own names.</summary>
    public static string Reference(string cref, TypeNames names)
    {
        if (cref.StartsWith("Overload:", StringComparison.Ordinal))
            cref = "M:" + cref["Overload:".Length..];
        if (cref.Length < 3 || cref[1] != ':')
            return Unresolved(cref);
        if (cref[0] == 'T')
            return TypeName(cref[2..], names);
        if (cref[0] is not ('M' or 'P' or 'F' or 'E'))
            return cref[0] == 'N' ? cref[2..] : Unresolved(cref[2..]);
        var (owner, name, _, _) = Split(cref);
        if (owner.Length == 0)
            return WithoutArity(name);
        var ownerName = TypeName(owner, names);
        return name is "#ctor" or "#cctor"
            ? ownerName
            : $"{ownerName}.{(name.StartsWith("op_", StringComparison.Ordinal) ? OperatorName(name) : WithoutArity(name))}";
    }

    /// <summary>The readable name of an id without its letter, as old markup writes it.</summary>
    public static string Untyped(string uid, TypeNames names)
    {
        if (names.Contains(uid))
            return TypeName(uid, names);
        var split = Split("?:" + uid);
        return names.Contains(split.Owner) ? Reference("M:" + uid, names) : Unresolved(uid);
    }

    private static string Unresolved(string cref)
    {
        var open = cref.IndexOf('(', StringComparison.Ordinal);
        return WithoutArity((open < 0 ? cref : cref[..open]).Split('.')[^1]);
    }

    /// <summary>The name before the backtick.</summary>
    public static string WithoutArity(string name)
    {
        var tick = name.IndexOf('`', StringComparison.Ordinal);
        return tick < 0 ? name : name[..tick];
    }

    private static string OperatorName(string name)
    {
        var bare = name["op_".Length..];
        if (bare is "Implicit" or "Explicit" or "CheckedExplicit")
            return $"{(bare == "Implicit" ? "implicit" : "explicit")} operator";
        var isChecked = bare.StartsWith("Checked", StringComparison.Ordinal);
        var symbol = Operators.GetValueOrDefault(isChecked ? bare["Checked".Length..] : bare, bare);
        return isChecked ? $"operator checked {symbol}" : $"operator {symbol}";
    }

    /// <summary>A recursive-descent reader of the type grammar of ids.</summary>
    private sealed class Reader(
        string text, TypeNames names, IReadOnlyList<string> typeScope, IReadOnlyList<string> methodScope, bool keywords)
    {
        private int _at;

        public IEnumerable<string> List(string byReference)
        {
            while (_at < text.Length)
            {
                var type = Type();
                yield return type.EndsWith('@') ? byReference + type[..^1] : type;
                if (_at < text.Length && text[_at] != ',')
                    yield break;
                _at++;
            }
        }

        public string Type()
        {
            var name = _at < text.Length && text[_at] == '`' ? Parameter() : Named();
            var suffix = new StringBuilder(name);
            while (_at < text.Length)
            {
                switch (text[_at])
                {
                    case '*':
                        suffix.Append('*');
                        _at++;
                        break;
                    case '@':
                        // Only at the end of a parameter; the list turns it into a modifier.
                        suffix.Append('@');
                        _at++;
                        break;
                    case '[':
                        var close = text.IndexOf(']', _at);
                        close = close < 0 ? text.Length - 1 : close;
                        suffix.Append('[').Append(',', text.AsSpan(_at, close - _at).Count(',')).Append(']');
                        _at = close + 1;
                        break;
                    case '|' or '!' or '^':
                        // Required and optional modifiers say nothing to a reader.
                        while (_at < text.Length && text[_at] is not (',' or ')' or '}' or '@'))
                            _at++;
                        break;
                    default:
                        return suffix.ToString();
                }
            }

            return suffix.ToString();
        }

        private string Parameter()
        {
            var ofMethod = text.AsSpan(_at).StartsWith("``");
            _at += ofMethod ? 2 : 1;
            var start = _at;
            while (_at < text.Length && char.IsAsciiDigit(text[_at]))
                _at++;
            var scope = ofMethod ? methodScope : typeScope;
            return int.TryParse(text.AsSpan(start, _at - start), out var index) && index < scope.Count ? scope[index] : "T";
        }

        private string Named()
        {
            var id = new StringBuilder();
            var segments = new List<(string Shown, int IdLength)>();
            while (true)
            {
                var start = _at;
                while (_at < text.Length && text[_at] is not ('.' or '{' or ',' or '}' or ')' or '[' or '*' or '@' or '|' or '!' or '^'))
                    _at++;
                var segment = text[start.._at];
                id.Append(segment);
                var shown = WithoutArity(segment);
                if (_at < text.Length && text[_at] == '{')
                {
                    var arguments = Arguments();
                    id.Append('`').Append(arguments.Count);
                    if (Special(id.ToString(), arguments) is { } special)
                        return special;
                    shown += $"<{string.Join(", ", arguments)}>";
                }
                else if (segment.Contains('`', StringComparison.Ordinal))
                {
                    shown += $"<{string.Join(", ", names.Parameters(id.ToString()))}>";
                }

                segments.Add((shown, id.Length));
                if (_at >= text.Length || text[_at] != '.')
                    break;
                id.Append('.');
                _at++;
            }

            var full = id.ToString();
            if (keywords && Keywords.TryGetValue(full, out var keyword))
                return keyword;
            // An id of an unknown type shows its last segment only.
            var outermost = names.Contains(full) ? names.OutermostLength(full) : full.Length;
            return string.Join(".", segments.Where(segment => segment.IdLength >= outermost).Select(segment => segment.Shown));
        }

        private List<string> Arguments()
        {
            var arguments = new List<string>();
            do
            {
                _at++;
                arguments.Add(Type());
            }
            while (_at < text.Length && text[_at] == ',');
            if (_at < text.Length)
                _at++;
            return arguments;
        }

        private string? Special(string id, List<string> arguments) => !keywords ? null : id switch
        {
            "System.Nullable`1" => arguments[0] + "?",
            _ when arguments.Count > 1 && id.StartsWith("System.ValueTuple`", StringComparison.Ordinal) =>
                $"({string.Join(", ", arguments)})",
            _ => null,
        };
    }
}
