namespace Cluster.Data.Corpus;

/// <summary>One text of a corpus.</summary>
/// <param name="Id">Unique within the corpus and equal on every machine: a type's full name, or a path relative to the corpus folder.</param>
/// <param name="Text">The text, lines ended by \n.</param>
/// <param name="Group">Texts of one group always fall into the same split.</param>
/// <param name="Source">Where it came from, for the data card: a pack and file, or a relative path. Never an absolute path.</param>
/// <param name="Quality">The scorer's figure in [0, 1]; higher is better.</param>
public sealed record Document(string Id, string Text, string Group, string Source, double Quality = 0);
