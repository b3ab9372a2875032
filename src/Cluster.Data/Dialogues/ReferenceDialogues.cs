using Cluster.Core.Randomness;
using Cluster.Data.Corpus;

namespace Cluster.Data.Dialogues;

/// <summary>
/// Questions and answers about the class library, made from its reference: members in, conversations out, in the members' order. Each
/// member gives the question what it is or does and at most <see cref="DetailsPerMember"/> of: what a parameter means, what it returns,
/// when it throws. More would make parameters nine tenths of all questions. The phrasing is drawn per question from the seed and a
/// stable hash of the member, so that it does not depend on what else is in the corpus.
/// </summary>
public static class ReferenceDialogues
{
    /// <summary>Questions per member beyond the first.</summary>
    public const int DetailsPerMember = 2;

    private static readonly string[] TypePhrasings =
    [
        "What is {0}?", "What is the type {0}?", "What is {0} in .NET?", "Tell me about {0}.", "Describe the type {0}.", "What is {0} for?",
        "Explain {0}.",
    ];

    private static readonly string[] MethodPhrasings =
    [
        "What does {0} do?", "What does the method {0} do?", "Explain {0}.", "What is {0} for?", "Describe {0}.", "Tell me about {0}.",
        "What happens when I call {0}?",
    ];

    private static readonly string[] ConstructorPhrasings =
    [
        "What does {0} do?", "What does the constructor {0} do?", "What does the expression {0} create?", "Explain {0}.", "Describe {0}.",
    ];

    private static readonly string[] ValuePhrasings =
    [
        "What is {0}?", "What does {0} mean?", "What is {0} for?", "Explain {0}.", "Describe {0}.", "Tell me about {0}.",
    ];

    private static readonly string[] ParameterPhrasings =
    [
        "What does the parameter {1} of {0} mean?", "What is {1} in {0}?", "What should I pass as {1} to {0}?", "Explain the parameter {1} of {0}.",
        "In {0}, what is {1}?", "What is the argument {1} of {0} for?",
    ];

    private static readonly string[] ReturnPhrasings =
    [
        "What does {0} return?", "What is the return value of {0}?", "What do I get back from {0}?", "What is the result of {0}?",
        "Describe the return value of {0}.",
    ];

    private static readonly string[] ExceptionPhrasings =
    [
        "When does {0} throw {1}?", "Why does {0} throw {1}?", "Under which condition does {0} throw {1}?", "When do I get {1} from {0}?",
        "What makes {0} throw {1}?",
    ];

    /// <summary>Makes the conversations; of equal questions only the first is kept, so that none is in two splits.</summary>
    public static IReadOnlyList<Conversation> Create(IEnumerable<ReferenceMember> members, ulong seed)
    {
        var conversations = new List<Conversation>();
        var asked = new HashSet<string>(StringComparer.Ordinal);
        var methodGroups = new HashSet<string>(StringComparer.Ordinal);
        foreach (var member in members)
        {
            var random = new CounterRandom(seed, RandomPurpose.Dialogue, StableHash.Of64(member.Id));
            var position = 0UL;
            Ask(Main(member), member.Name, "", member.Summary);

            // People ask for "String.Join" without a parameter list: its first overload answers.
            if (member.Kind == MemberKind.Method)
            {
                var shortName = member.Name[..member.Name.IndexOf('(', StringComparison.Ordinal)];
                if (methodGroups.Add($"{member.Type} {shortName}"))
                    Ask(MethodPhrasings, shortName, "", member.Summary);
            }

            var details = Details(member);
            for (var left = DetailsPerMember; left > 0 && details.Count > 0; left--)
            {
                var pick = (int)random.Below(position++, (ulong)details.Count);
                var (phrasings, name, answer) = details[pick];
                details.RemoveAt(pick);
                Ask(phrasings, member.Name, name, answer);
            }

            void Ask(string[] phrasings, string subject, string detail, string answer)
            {
                var phrasing = phrasings[random.Below(position++, (ulong)phrasings.Length)];
                var question = phrasing.Replace("{0}", subject, StringComparison.Ordinal).Replace("{1}", detail, StringComparison.Ordinal);
                if (AnswerText.Bound(answer) is { } bounded && asked.Add(question))
                    conversations.Add(Conversation.Of(question, bounded, member.Group));
            }
        }

        return conversations;
    }

    private static string[] Main(ReferenceMember member) => member.Kind switch
    {
        MemberKind.Type => TypePhrasings,
        MemberKind.Constructor => ConstructorPhrasings,
        MemberKind.Method or MemberKind.Operator => MethodPhrasings,
        _ => ValuePhrasings,
    };

    private static List<(string[] Phrasings, string Name, string Answer)> Details(ReferenceMember member)
    {
        var details = new List<(string[], string, string)>();
        foreach (var p in member.Parameters)
            details.Add((ParameterPhrasings, p.Name, AnswerText.IsNounPhrase(p.Text) ? $"{p.Name} is {AnswerText.Continue(p.Text)}" : p.Text));
        if (member.Kind is MemberKind.Method or MemberKind.Operator && member.Returns.Length > 0)
            details.Add((ReturnPhrasings, "", ReturnsAnswer(member.Returns)));
        foreach (var e in member.Exceptions)
            details.Add((ExceptionPhrasings, e.Name, ExceptionAnswer(e)));
        return details;
    }

    private static string ReturnsAnswer(string text) =>
        AnswerText.IsNounPhrase(text) || text.StartsWith("true if ", StringComparison.Ordinal) ? $"It returns {AnswerText.Continue(text)}" : text;

    private static string ExceptionAnswer(NamedText exception)
    {
        // The reference separates conditions by "-or-" between paragraphs.
        var conditions = exception.Text.Replace('\n', ' ')
            .Split("-or-", StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)
            .Select(c => AnswerText.Continue(c.TrimEnd('.')))
            .Select(c => c.StartsWith("when ", StringComparison.Ordinal) || c.StartsWith("if ", StringComparison.Ordinal) ? c[(c.IndexOf(' ', StringComparison.Ordinal) + 1)..] : c);
        return $"It throws {exception.Name} when {string.Join(", or when ", conditions)}.";
    }
}
