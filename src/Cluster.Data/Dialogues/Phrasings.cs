using Cluster.Data.Corpus.Reference;

namespace Cluster.Data.Dialogues;

/// <summary>How people ask. {0} is the thing asked about, {1} what it belongs to.</summary>
internal static class Phrasings
{
    public static readonly string[] Type =
    [
        "What is {0}?",
        "What is the {0} type?",
        "What is {0} used for?",
        "Tell me about {0}.",
        "Explain {0}.",
        "In .NET, what is {0}?",
        "What is {0} in the {1} namespace?",
        "Describe {0}.",
    ];

    public static readonly string[] Method =
    [
        "What does {0} do?",
        "What does the method {0} do?",
        "Explain {0}.",
        "What is {0} for?",
        "What is the purpose of {0}?",
        "What happens when I call {0}?",
        "Describe what {0} does.",
        "When would I use {0}?",
    ];

    public static readonly string[] Constructor =
    [
        "What does the constructor {0} do?",
        "What does new {0} create?",
        "Explain the constructor {0}.",
        "What happens when I call new {0}?",
        "What is the {0} constructor for?",
    ];

    public static readonly string[] Operator =
    [
        "What does {0} do?",
        "Explain {0}.",
        "What is the effect of {0}?",
        "Describe what {0} does.",
        "What is {0} for?",
    ];

    public static readonly string[] Property =
    [
        "What is {0}?",
        "What is the property {0}?",
        "What does {0} do?",
        "What is {0} used for?",
        "Explain the property {0}.",
        "Tell me about {0}.",
        "Describe {0}.",
    ];

    public static readonly string[] Field =
    [
        "What does {0} mean?",
        "What is {0}?",
        "Explain {0}.",
        "What does the value {0} stand for?",
        "What is the meaning of {0}?",
        "Describe {0}.",
    ];

    public static readonly string[] Event =
    [
        "When is {0} raised?",
        "When does the event {0} occur?",
        "What is the event {0}?",
        "What does {0} tell me?",
        "Explain the event {0}.",
    ];

    public static readonly string[] Parameter =
    [
        "What is the {0} parameter of {1}?",
        "What does {0} mean in {1}?",
        "In {1}, what is {0}?",
        "What should I pass as {0} to {1}?",
        "Explain the parameter {0} of {1}.",
        "What is {0} for in {1}?",
    ];

    public static readonly string[] Returns =
    [
        "What does {0} return?",
        "What is the return value of {0}?",
        "What do I get back from {0}?",
        "What will {0} give me?",
        "Which value does {0} return?",
    ];

    public static readonly string[] Value =
    [
        "What does {0} hold?",
        "What is the value of {0}?",
        "What does the property {0} contain?",
        "Which value does {0} have?",
        "What can I read from {0}?",
    ];

    public static readonly string[] Exception =
    [
        "When does {1} throw {0}?",
        "When is {0} thrown by {1}?",
        "Why would {1} throw {0}?",
        "What makes {1} throw {0}?",
        "In which case does {1} throw {0}?",
    ];

    public static readonly string[] FollowUpParameter =
    [
        "What is its {0} parameter?",
        "And what does {0} mean?",
        "What should I pass as {0}?",
        "What is {0}?",
        "And {0}?",
    ];

    public static readonly string[] FollowUpReturns =
    [
        "What does it return?",
        "And what is the return value?",
        "What do I get back?",
        "And what does it return?",
        "Which value does it return?",
    ];

    public static readonly string[] FollowUpValue =
    [
        "What does it hold?",
        "And what is its value?",
        "What does it contain?",
        "Which value does it have?",
        "What can I read from it?",
    ];

    public static readonly string[] FollowUpException =
    [
        "When does it throw {0}?",
        "And when is {0} thrown?",
        "Why would it throw {0}?",
        "What makes it throw {0}?",
        "In which case do I get {0}?",
    ];

    public static readonly string[] Continue =
    [
        "Continue: {0}",
        "Continue the text: {0}",
        "What comes next? {0}",
        "Go on from here: {0}",
        "How does this continue? {0}",
    ];

    public static readonly string[] Heading =
    [
        "What does the text say about {0}?",
        "Tell me about {0}.",
        "What is written under \"{0}\"?",
        "Summarize the section \"{0}\".",
        "What do you know about {0}?",
    ];

    /// <summary>The first question about a member of a kind.</summary>
    public static string[] About(MemberKind kind) => kind switch
    {
        MemberKind.Type => Type,
        MemberKind.Constructor => Constructor,
        MemberKind.Operator => Operator,
        MemberKind.Property => Property,
        MemberKind.Field => Field,
        MemberKind.Event => Event,
        _ => Method,
    };
}
