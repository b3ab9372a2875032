namespace Cluster.Data.Dialogues;

/// <summary>Who says a message.</summary>
public enum ChatRole
{
    /// <summary>Instructions that hold for the whole conversation.</summary>
    System,

    /// <summary>The person.</summary>
    User,

    /// <summary>The model; the only role whose tokens carry loss.</summary>
    Assistant,
}

/// <summary>One message.</summary>
public sealed record ChatMessage(ChatRole Role, string Content);

/// <summary>Messages in order and the group of the text they come from, which decides the split.</summary>
public sealed record Conversation(IReadOnlyList<ChatMessage> Messages, string Group)
{
    /// <summary>A question and its answer.</summary>
    public static Conversation Of(string question, string answer, string group) =>
        new([new(ChatRole.User, question), new(ChatRole.Assistant, answer)], group);
}
