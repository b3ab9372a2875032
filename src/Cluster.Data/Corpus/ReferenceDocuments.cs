using System.Text;

namespace Cluster.Data.Corpus;

/// <summary>
/// Joins the members of each type, in their order, to one long plain-text document: a heading with the type's full name, then per member
/// its signature and what is said of it. Long documents are what the long-context phase trains on.
/// </summary>
public static class ReferenceDocuments
{
    /// <summary>One document per type, in the order of each type's first member.</summary>
    public static IReadOnlyList<Document> Assemble(IEnumerable<ReferenceMember> members)
    {
        var byType = new OrderedDictionary<string, List<ReferenceMember>>(StringComparer.Ordinal);
        foreach (var member in members)
        {
            if (!byType.TryGetValue(member.Type, out var list))
                byType.Add(member.Type, list = []);
            list.Add(member);
        }

        return [.. byType.Select(pair => new Document(pair.Key, Write(pair.Key, pair.Value), pair.Value[0].Group, pair.Value[0].Source))];
    }

    private static string Write(string type, List<ReferenceMember> members)
    {
        var text = new StringBuilder().Append(type).Append('\n');
        foreach (var member in members)
        {
            if (member.Kind != MemberKind.Type)
                text.Append('\n').Append(member.Signature).Append('\n');
            Line("", member.Summary);
            foreach (var p in member.TypeParameters)
                Line($"{p.Name}: ", p.Text);
            foreach (var p in member.Parameters)
                Line($"{p.Name}: ", p.Text);
            Line(member.Kind is MemberKind.Property or MemberKind.Field ? "Value: " : "Returns: ", member.Returns == member.Summary ? "" : member.Returns);
            Line("Value: ", member.Value);
            foreach (var e in member.Exceptions)
                Line($"Throws {e.Name}: ", e.Text);
            Line("Remarks: ", member.Remarks);
        }

        return text.ToString();

        void Line(string label, string said)
        {
            if (said.Length > 0)
                text.Append(label).Append(said).Append('\n');
        }
    }
}
