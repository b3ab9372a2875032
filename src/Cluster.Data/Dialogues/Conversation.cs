using Cluster.Data.Corpus;

namespace Cluster.Data.Dialogues;

/// <summary>What a conversation is about, so that a trainer can weigh kinds.</summary>
public enum ConversationKind
{
    /// <summary>Greetings, who the assistant is, what it does not know.</summary>
    SmallTalk,

    /// <summary>What a type is.</summary>
    Type,

    /// <summary>What a member does or is.</summary>
    Member,

    /// <summary>What a parameter means.</summary>
    Parameter,

    /// <summary>What a method returns or a property holds.</summary>
    Returns,

    /// <summary>When an exception is thrown.</summary>
    Exception,

    /// <summary>Several of the above about one type or member.</summary>
    MultiTurn,

    /// <summary>How a text goes on.</summary>
    Continuation,

    /// <summary>What a text says under a heading.</summary>
    Heading,
}

/// <summary>A dialogue for fine-tuning: user and assistant in turn, ending with the assistant.</summary>
/// <param name="Id">Unique and stable.</param>
/// <param name="Group">The split key: the same as that of the documents it comes from.</param>
/// <param name="Part">Where it may be used.</param>
/// <param name="Kind">What it is about.</param>
/// <param name="Messages">At least one question and its answer.</param>
public sealed record Conversation(string Id, string Group, SplitPart Part, ConversationKind Kind, IReadOnlyList<ChatMessage> Messages)
{
    /// <summary>The question of the first turn.</summary>
    public string Question => Messages.First(message => message.Role == ChatRole.User).Content;

    /// <summary>The answer to the first question.</summary>
    public string Answer => Messages.First(message => message.Role == ChatRole.Assistant).Content;
}

/// <summary>All dialogues of a corpus, by part.</summary>
public sealed record DialogueSet(
    IReadOnlyList<Conversation> Train, IReadOnlyList<Conversation> Validation, IReadOnlyList<Conversation> Test);
