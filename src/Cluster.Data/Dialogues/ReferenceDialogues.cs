using Cluster.Core.Randomness;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Reference;

namespace Cluster.Data.Dialogues;

/// <summary>
/// Structured reference documentation in, questions and answers out: what a type is, what a member does, what a parameter means, what
/// comes back, when an exception is thrown. Each member gives its first question and at most one more in detail; a fifth of the members
/// with details become one conversation with follow-ups ("And what does it return?"), and some neighbours in a type are joined into
/// one conversation of two or three questions. Phrasing and choice are drawn from <see cref="CounterRandom"/> with purpose
/// <see cref="RandomPurpose.Dialogue"/> and the hash of the member's id as stream, so that one member's dialogue never depends on
/// another. The same question with the same answer occurs once; the same answer at most <see cref="MostPerAnswer"/> times in a part.
/// </summary>
public static class ReferenceDialogues
{
    /// <summary>How often one answer may occur in one part ("It returns an enumerator…" is true of a hundred members).</summary>
    public const int MostPerAnswer = 4;

    private const double FollowUpShare = 0.2;
    private const double JoinShare = 0.12;

    /// <param name="types">All types; those whose group is not in <paramref name="groups"/> are passed over.</param>
    /// <param name="groups">The part of each group.</param>
    /// <param name="options">Seed, answer lengths, workers.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>Conversations in the order of types and members.</returns>
    public static IReadOnlyList<Conversation> Build(
        IReadOnlyList<ReferenceType> types, IReadOnlyDictionary<string, SplitPart> groups, CorpusOptions options,
        CancellationToken cancellation = default)
    {
        var drafts = new List<Conversation>[types.Count];
        var parallel = new ParallelOptions { MaxDegreeOfParallelism = options.Workers, CancellationToken = cancellation };
        Parallel.For(0, types.Count, parallel, i =>
            drafts[i] = groups.TryGetValue(types[i].Group, out var part) ? new TypeInterview(types[i], part, options).Conversations() : []);

        var seen = new HashSet<UInt128>();
        var answers = new Dictionary<UInt128, int>();
        var conversations = new List<Conversation>();
        foreach (var conversation in drafts.SelectMany(list => list))
        {
            if (!seen.Add(StableHash.Hash128(string.Join('\n', conversation.Messages.Select(message => message.Content)))))
                continue;
            var said = conversation.Messages.Where(message => message.Role == ChatRole.Assistant).Select(message => message.Content);
            var answer = StableHash.Hash128($"{conversation.Part}\n{string.Join('\n', said)}");
            var times = answers.GetValueOrDefault(answer);
            if (times == MostPerAnswer)
                continue;
            answers[answer] = times + 1;
            conversations.Add(conversation);
        }

        return conversations;
    }

    /// <summary>A question as asked on its own, as asked after another about the same member, and the answer.</summary>
    private sealed record Turn(ConversationKind Kind, string Question, string FollowUp, string Answer);

    private sealed class TypeInterview(ReferenceType type, SplitPart part, CorpusOptions options)
    {
        private readonly List<Conversation> _conversations = [];
        private readonly HashSet<string> _shortNames = new(StringComparer.Ordinal);

        public List<Conversation> Conversations()
        {
            if (type.Documentation is { } documentation && TypeTurn(documentation) is { } turn)
                Add(documentation.Id, ConversationKind.Type, turn);

            var waiting = new List<(string Id, Turn Turn)>();
            var join = 0;
            foreach (var member in type.Members)
            {
                var random = new CounterRandom(options.Seed, RandomPurpose.Dialogue, StableHash.Hash64(member.Id));
                var shortName = _shortNames.Add(WithoutSignature(member.Name));
                if (FirstTurn(member, random, shortName) is not { } first)
                    continue;
                var details = Details(member, random, shortName);
                if (details.Count > 0 && random.Double(8) < FollowUpShare)
                {
                    var followUps = details.Take(2).Select(detail => detail with { Question = detail.FollowUp });
                    Add(member.Id, ConversationKind.MultiTurn, [first, .. followUps]);
                    continue;
                }

                if (details.Count > 0)
                    Add(member.Id + "?detail", details[0].Kind, details[0]);
                if (join == 0 && random.Double(9) < JoinShare)
                    join = 2 + (int)random.Below(10, 2);
                if (join == 0)
                {
                    Add(member.Id, ConversationKind.Member, first);
                    continue;
                }

                waiting.Add((member.Id, first));
                if (waiting.Count == join)
                    Join();
            }

            Join();
            return _conversations;

            void Join()
            {
                var kind = waiting.Count == 1 ? ConversationKind.Member : ConversationKind.MultiTurn;
                if (waiting.Count > 0)
                    Add(waiting[0].Id, kind, [.. waiting.Select(item => item.Turn)]);
                waiting.Clear();
                join = 0;
            }
        }

        private void Add(string id, ConversationKind kind, params Turn[] turns) => _conversations.Add(new Conversation(
            id, type.Group, part, kind,
            [.. turns.SelectMany(turn => new ChatMessage[] { new(ChatRole.User, turn.Question), new(ChatRole.Assistant, turn.Answer) })]));

        private Turn? TypeTurn(ReferenceMember documentation)
        {
            var random = new CounterRandom(options.Seed, RandomPurpose.Dialogue, StableHash.Hash64(documentation.Id));
            var phrasing = Pick(Phrasings.Type, random, 0);
            if (type.Namespace.Length == 0 && phrasing.Contains("{1}", StringComparison.Ordinal))
                phrasing = Phrasings.Type[0];
            return Make(ConversationKind.Type, Format(phrasing, type.Name, type.Namespace), "", documentation.Summary,
                text => AnswerGrammar.Statement(type.Name, text));
        }

        private Turn? FirstTurn(ReferenceMember member, CounterRandom random, bool shortName) => Make(
            ConversationKind.Member, Format(Pick(Phrasings.About(member.Kind), random, 0), Name(member, random, shortName, 1)), "",
            member.Summary, text => AnswerGrammar.Statement("It", text));

        /// <summary>All questions of detail about a member, in an order of their own.</summary>
        private List<Turn> Details(ReferenceMember member, CounterRandom random, bool shortName)
        {
            var name = Name(member, random, shortName, 2);
            var turns = new List<Turn?>();
            foreach (var parameter in member.Parameters)
            {
                turns.Add(Make(
                    ConversationKind.Parameter, Format(Pick(Phrasings.Parameter, random, 3), parameter.Name, name),
                    Format(Pick(Phrasings.FollowUpParameter, random, 4), parameter.Name), parameter.Text, AnswerGrammar.Passed));
            }

            if (member.Returns.Length > 0 && !Boilerplate.Repeats(member.Summary, member.Returns))
            {
                var isProperty = member.Kind == MemberKind.Property;
                turns.Add(Make(
                    ConversationKind.Returns, Format(Pick(isProperty ? Phrasings.Value : Phrasings.Returns, random, 3), name),
                    Pick(isProperty ? Phrasings.FollowUpValue : Phrasings.FollowUpReturns, random, 4), member.Returns,
                    isProperty ? AnswerGrammar.Passed : AnswerGrammar.Returned));
            }

            foreach (var exceptions in member.Exceptions.GroupBy(exception => exception.Type, StringComparer.Ordinal))
            {
                var condition = string.Join(", or ", exceptions.Select(exception => exception.Condition.TrimEnd('.'))) + ".";
                turns.Add(Make(
                    ConversationKind.Exception, Format(Pick(Phrasings.Exception, random, 3), exceptions.Key, name),
                    Format(Pick(Phrasings.FollowUpException, random, 4), exceptions.Key), condition,
                    text => AnswerGrammar.Thrown(exceptions.Key, text)));
            }

            var asked = turns.OfType<Turn>().ToList();
            if (asked.Count < 2)
                return asked;
            var order = new KeyedPermutation(random, asked.Count);
            return [.. Enumerable.Range(0, asked.Count).Select(i => asked[(int)order[i]])];
        }

        private Turn? Make(ConversationKind kind, string question, string followUp, string text, Func<string, string> sentence)
        {
            if (text.Length == 0 || text.Contains("```", StringComparison.Ordinal))
                return null;
            var answer = Sentences.First(sentence(XmlProse.OneLine(text)), options.MaximumAnswerCharacters);
            if (answer is null || answer.Length < options.MinimumAnswerCharacters)
                return null;
            var startsSmall = char.IsAsciiLetterLower(answer[0]) && !IsName(answer);
            return new Turn(kind, question, followUp, startsSmall ? char.ToUpperInvariant(answer[0]) + answer[1..] : answer);
        }

        /// <summary>Half of the questions leave out the signature where the first overload is meant, as people do.</summary>
        private static string Name(ReferenceMember member, CounterRandom random, bool shortName, ulong position) =>
            shortName && member.Kind == MemberKind.Method && random.Double(4 + position) < 0.5
                ? WithoutSignature(member.Name)
                : member.Name;

        private static string WithoutSignature(string name)
        {
            var open = name.IndexOf('(', StringComparison.Ordinal);
            return open < 0 ? name : name[..open];
        }

        /// <summary>A lower-case first word with a capital, digit or dot inside is a name, such as a parameter's.</summary>
        private static bool IsName(string text)
        {
            var end = text.IndexOf(' ', StringComparison.Ordinal);
            return text.AsSpan(1, (end < 0 ? text.Length : end) - 1).IndexOfAnyExceptInRange('a', 'z') >= 0;
        }

        private static string Pick(string[] phrasings, CounterRandom random, ulong position) =>
            phrasings[(int)random.Below(position, (ulong)phrasings.Length)];

        private static string Format(string phrasing, string thing, string owner = "") =>
            phrasing.Replace("{1}", owner, StringComparison.Ordinal).Replace("{0}", thing, StringComparison.Ordinal);
    }
}
