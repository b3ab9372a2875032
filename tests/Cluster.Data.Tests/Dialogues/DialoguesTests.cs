using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Reference;
using Cluster.Data.Dialogues;
using Cluster.Data.Tests.Corpus;

namespace Cluster.Data.Tests.Dialogues;

public class DialoguesTests
{
    private static readonly CorpusOptions Options = new() { Workers = 2 };

    [Fact]
    public void Build_MembersOfTypes_AsksAboutEveryField()
    {
        var conversations = Reference(Fixtures.ManyTypes(300));

        var kinds = conversations.CountBy(conversation => conversation.Kind).ToDictionary();
        Assert.Equal(300, kinds[ConversationKind.Type]);
        Assert.True(kinds[ConversationKind.Member] > 150);
        Assert.All([ConversationKind.Parameter, ConversationKind.Returns, ConversationKind.Exception, ConversationKind.MultiTurn], kind => Assert.True(kinds[kind] > 20));
        Assert.Contains(conversations, conversation => conversation.Answer == "It throws ArgumentOutOfRangeException when count is above the stock of Widget 5."
            || conversation.Messages.Any(message => message.Content == "It is the number of pieces of Widget 5 to sell at once.")
            || conversation.Messages.Any(message => message.Content == "It returns the price of the pieces of Widget 5 in cents."));
        Assert.True(conversations.Select(conversation => conversation.Question.Split(' ')[0]).Distinct().Count() >= 4);
        Assert.Equal(conversations.Count, conversations.Select(conversation => conversation.Id).Distinct().Count());
        Assert.All(conversations, conversation =>
        {
            Assert.Equal(0, conversation.Messages.Count % 2);
            Assert.All(conversation.Messages, (message, i) => Assert.Equal(i % 2 == 0 ? ChatRole.User : ChatRole.Assistant, message.Role));
        });
    }

    [Fact]
    public void Build_OtherMembers_DoNotChangeAMembersDialogue()
    {
        var few = Reference(Fixtures.ManyTypes(10));
        var many = Reference(Fixtures.ManyTypes(40)).Where(conversation => few.Any(other => other.Id == conversation.Id)).ToList();

        Assert.Equal(few.Select(Text), many.Select(Text));
        Assert.NotEqual(few.Select(Text), Reference(Fixtures.ManyTypes(10), Options with { Seed = 9 }).Select(Text));
    }

    [Fact]
    public void Build_UnknownGroup_IsPassedOver()
    {
        var types = Types(Fixtures.ManyTypes(3));

        var conversations = ReferenceDialogues.Build(types, new Dictionary<string, SplitPart> { ["Shop.Widget1"] = SplitPart.Test }, Options);

        Assert.NotEmpty(conversations);
        Assert.All(conversations, conversation => Assert.Equal(("Shop.Widget1", SplitPart.Test), (conversation.Group, conversation.Part)));
    }

    [Fact]
    public void Build_SameAnswerEverywhere_IsLimited()
    {
        var members = Enumerable.Range(0, 50).Select(i => $"<member name=\"M:A.T{i}.Go\"><summary>Starts the engine and goes on.</summary></member>").ToArray();

        var conversations = Reference(Fixtures.Reference(members));

        Assert.Equal(ReferenceDialogues.MostPerAnswer, conversations.Count);
    }

    [Fact]
    public void Build_AnswerLengths_AreBounded()
    {
        var members = new[]
        {
            "<member name=\"M:A.B.Short\"><summary>Goes on a bit.</summary></member>",
            $"<member name=\"M:A.B.Long\"><summary>Does {new string('x', 500)} things.</summary></member>",
            $"<member name=\"M:A.B.Both\"><summary>Does a thing that is told here. Then it says {new string('y', 500)}.</summary></member>",
        };

        Assert.Equal("It does a thing that is told here.", Assert.Single(Reference(Fixtures.Reference(members))).Answer);
    }

    [Fact]
    public void Generic_Paragraphs_AreContinued()
    {
        var document = Fixtures.Document("a", "# The fox\n\nThe fox is red. It lives in the wood and hunts at night.\n\nFirst Citizen:\nSpeak!\n\nAll:\nWe have spoken already, good sir.\n\nno sentence ends here " + string.Join(' ', Enumerable.Repeat("word", 40)));

        var conversations = GenericDialogues.Build([document], SplitPart.Train, Options);

        var heading = Assert.Single(conversations, conversation => conversation.Kind == ConversationKind.Heading);
        Assert.Contains("The fox", heading.Question, StringComparison.Ordinal);
        Assert.Equal("The fox is red. It lives in the wood and hunts at night.", heading.Answer);
        var continued = conversations.Where(conversation => conversation.Kind == ConversationKind.Continuation).ToList();
        Assert.Contains(continued, conversation => conversation.Question.EndsWith("The fox is red.", StringComparison.Ordinal) && conversation.Answer == "It lives in the wood and hunts at night.");
        Assert.Contains(continued, conversation => conversation.Question.EndsWith("First Citizen:\nSpeak!", StringComparison.Ordinal) && conversation.Answer == "All:\nWe have spoken already, good sir.");
        Assert.Contains(continued, conversation => conversation.Question.Contains("no sentence ends here word", StringComparison.Ordinal));
        Assert.All(conversations, conversation => Assert.InRange(conversation.Answer.Length, Options.MinimumAnswerCharacters, Options.MaximumAnswerCharacters));
    }

    [Fact]
    public void HeldOutQuestions_FromTest_PreferWellKnownTypesAndUntrainedAnswers()
    {
        var train = new[] { One("t", "Shop.A", "An answer that was trained on, word for word.") };
        var test = new[]
        {
            One("1", "Shop.B", "An answer about something in the shop."), One("2", "System.Obscure.Thing", "An answer about something obscure in System."),
            One("3", "System.String", "An answer about strings, which everybody knows."), One("4", "System.String", "Another answer about strings, which are text."),
            One("5", "System.Collections.ArrayList", "An answer that was trained on, word for word."),
        };

        var chosen = HeldOutQuestions.Select(new DialogueSet(train, [], test), 3, seed: 0);

        Assert.Equal(["System.String", "System.Obscure.Thing", "Shop.B"], chosen.Select(conversation => conversation.Group));
        Assert.Equal(4, HeldOutQuestions.Select(new DialogueSet(train, [], test), 9, seed: 0).Count);
        Assert.Equal(chosen, HeldOutQuestions.Select(new DialogueSet(train, [], [.. test.Reverse()]), 3, seed: 0));

        static Conversation One(string id, string group, string answer) => new(
            id, group, SplitPart.Test, ConversationKind.Member, [new ChatMessage(ChatRole.User, $"What is {id}?"), new ChatMessage(ChatRole.Assistant, answer)]);
    }

    private static string Text(Conversation conversation) => string.Join('\n', conversation.Messages.Select(message => $"{message.Role}: {message.Content}"));

    private static IReadOnlyList<ReferenceType> Types(string xml) =>
        ReferenceLibrary.Read([new ReferenceLibrary.Input("f.xml", xml, 1)], 0, 1, CancellationToken.None).Types;

    private static IReadOnlyList<Conversation> Reference(string xml, CorpusOptions? options = null)
    {
        var types = Types(xml);
        return ReferenceDialogues.Build(types, types.Select(type => type.Group).Distinct().ToDictionary(group => group, _ => SplitPart.Train), options ?? Options);
    }
}
