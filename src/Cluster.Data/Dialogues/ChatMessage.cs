namespace Cluster.Data.Dialogues;

/// <summary>Who speaks.</summary>
public enum ChatRole
{
    /// <summary>Instructions to the assistant; the first message only.</summary>
    System,

    /// <summary>The person who asks.</summary>
    User,

    /// <summary>The model. Only its words are trained on.</summary>
    Assistant,
}

/// <summary>One turn of a conversation.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Content">What is said; it never becomes a special token, whatever it spells.</param>
public sealed record ChatMessage(ChatRole Role, string Content);
