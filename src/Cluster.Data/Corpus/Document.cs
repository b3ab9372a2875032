namespace Cluster.Data.Corpus;

/// <summary>One text of the corpus. Immutable; the stages hand on changed copies.</summary>
/// <param name="Id">Unique within the corpus and stable between runs and machines: it names the text, not where it was found.</param>
/// <param name="Text">The text; after curation in NFC with LF line ends.</param>
/// <param name="Group">Texts of one group are never split between training and held-out parts (the outermost type of reference
/// documentation, the file or record of a folder).</param>
/// <param name="Source">Where it was read, for reports only.</param>
/// <param name="Quality">In [0, 1]; 0 until a scorer has seen it.</param>
/// <param name="Title">A heading by which a person would ask for it, if there is one.</param>
public sealed record Document(string Id, string Text, string Group, string Source, double Quality = 0, string? Title = null);
