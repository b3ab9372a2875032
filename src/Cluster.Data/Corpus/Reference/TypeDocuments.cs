using System.Text;

namespace Cluster.Data.Corpus.Reference;

/// <summary>
/// Types in, documents for pre-training out: one document per outermost type, its members in order under light Markdown headings,
/// nested types after it. Exact repetitions go here, before any split:
/// a member whose prose (summary, returns and remarks together) occurred before anywhere is left out, the first in order stays;
/// a parameter, return value or exception line that occurred before within the document is not printed again.
/// </summary>
internal static class TypeDocuments
{
    /// <summary>A member whose prose an earlier member had already.</summary>
    public const string DuplicateProse = "duplicate_prose";

    /// <summary>A member that says nothing but its parameters and exceptions.</summary>
    public const string NoProse = "no_prose";

    /// <summary>Documents in order, and what was left out: members in and out, bytes of their prose in and of the documents out.</summary>
    public static (List<Document> Documents, CorpusStage Stage) Assemble(IReadOnlyList<ReferenceType> types, string idPrefix, long bytesIn)
    {
        var documents = new List<Document>();
        var dropped = new DropCounts();
        var seen = new HashSet<UInt128>();
        long members = 0, kept = 0, bytes = 0;
        foreach (var family in types.GroupBy(type => type.Outermost, StringComparer.Ordinal))
        {
            var page = new Page(seen, dropped);
            foreach (var type in family)
                page.Add(type);
            members += page.Seen;
            kept += page.Kept;
            if (page.Kept == 0)
                continue;
            var first = family.First();
            var text = page.ToString();
            bytes += Encoding.UTF8.GetByteCount(text);
            documents.Add(new Document(idPrefix + family.Key, text, first.Group, first.Source, Title: first.Name));
        }

        return (documents, new CorpusStage("assembly", members, kept, bytesIn, bytes, dropped.ToDictionary()));
    }

    private sealed class Page(HashSet<UInt128> seen, DropCounts dropped)
    {
        private readonly StringBuilder _text = new();
        private readonly HashSet<string> _lines = new(StringComparer.Ordinal);
        private bool _inList;

        public int Seen { get; private set; }

        public int Kept { get; private set; }

        public void Add(ReferenceType type)
        {
            var heading = $"# {type.Name}\n\n{(type.Namespace.Length > 0 ? $"Namespace: {type.Namespace}\n\n" : "")}";
            if (type.Documentation is { } documentation && IsNew(documentation))
            {
                Block(heading + Body(documentation));
                heading = "";
            }

            foreach (var member in type.Members)
            {
                if (!IsNew(member))
                    continue;
                if (heading.Length > 0)
                    Block(heading.TrimEnd());
                heading = "";
                if (member is { Kind: MemberKind.Field, Remarks: "", Returns: "" }
                    && !member.Summary.Contains('\n', StringComparison.Ordinal))
                    ListItem($"- {member.Name}: {member.Summary}");
                else
                    Block($"## {member.Name}{(member.Kind == MemberKind.Constructor ? " constructor" : "")}\n\n{Body(member)}");
            }
        }

        public override string ToString() => _text.ToString().TrimEnd();

        private bool IsNew(ReferenceMember member)
        {
            Seen++;
            if (member is { Summary: "", Returns: "", Remarks: "" })
            {
                dropped.Add(NoProse);
                return false;
            }

            if (!seen.Add(StableHash.Hash128($"{member.Summary}\n\n{member.Returns}\n\n{member.Remarks}")))
            {
                dropped.Add(DuplicateProse);
                return false;
            }

            Kept++;
            return true;
        }

        private void Block(string text)
        {
            _text.Append(_text.Length > 0 ? "\n" : "").Append(text).Append('\n');
            _inList = false;
        }

        private void ListItem(string line)
        {
            _text.Append(_inList ? "" : "\n").Append(line).Append('\n');
            _inList = true;
        }

        private string Body(ReferenceMember member)
        {
            var blocks = new List<string>();
            if (member.Summary.Length > 0)
                blocks.Add(member.Summary);
            var lines = member.TypeParameters.Concat(member.Parameters)
                .Where(parameter => !Boilerplate.IsTrivial(parameter.Text))
                .Select(parameter => $"- {parameter.Name}: {parameter.Text}").Where(_lines.Add).ToList();
            if (lines.Count > 0)
                blocks.Add("Parameters:\n" + string.Join('\n', lines));
            if (member.Returns.Length > 0 && !Boilerplate.IsTrivial(member.Returns) && !Boilerplate.Repeats(member.Summary, member.Returns)
                && _lines.Add(member.Returns))
                blocks.Add($"{(member.Kind == MemberKind.Property ? "Value" : "Returns")}: {member.Returns}");
            lines = member.Exceptions.Select(exception => $"- {exception.Type}: {exception.Condition}").Where(_lines.Add).ToList();
            if (lines.Count > 0)
                blocks.Add("Exceptions:\n" + string.Join('\n', lines));
            if (member.Remarks.Length > 0)
                blocks.Add(member.Remarks);
            return string.Join("\n\n", blocks);
        }
    }
}
