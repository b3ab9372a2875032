using System.Globalization;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>The files of a corpus under construction and of a finished one. Only this class composes their paths.</summary>
public sealed class CorpusFolder(string root)
{
    /// <summary>The folder.</summary>
    public string Root { get; } = Path.GetFullPath(root);

    /// <summary>The resolved recipe.</summary>
    public string Recipe => Path.Combine(Root, "recipe.json");

    /// <summary>Sources and the index of partitions, fixed before the first is read.</summary>
    public string Plan => Path.Combine(Root, "plan.json");

    /// <summary>What came out, written last: a corpus with it is finished.</summary>
    public string Summary => Path.Combine(Root, "corpus.json");

    /// <summary>The page for people.</summary>
    public string Report => Path.Combine(Root, "report.html");

    /// <summary>What a source fetched.</summary>
    public string Source(string name) => Path.Combine(Root, "sources", name);

    /// <summary>The files of a partition.</summary>
    public string Partition(int partition) => Path.Combine(Root, "partitions", Number(partition) + ".json");

    /// <summary>Says that a phase has finished a unit, and with what figures.</summary>
    public string Marker(string phase, int unit) => Path.Combine(Root, "done", phase, Number(unit) + ".json");

    /// <summary>Documents of a partition between two phases.</summary>
    public string Documents(string phase, int partition) => Path.Combine(Root, "work", phase, Number(partition) + ".documents.zst");

    /// <summary>What became of each document of a partition in the first phase.</summary>
    public string Rows(int partition) => Path.Combine(Root, "work", "read", Number(partition) + ".rows.zst");

    /// <summary>Hashes or signatures of a partition's documents.</summary>
    public string Signatures(string kind, int partition) => Path.Combine(SignatureFolder(kind), Number(partition) + ".bin");

    /// <summary>Folder of <see cref="Signatures"/> of a kind.</summary>
    public string SignatureFolder(string kind) => Path.Combine(Root, "work", "signatures", kind);

    /// <summary>Signatures of the documents that stay, for later corpora.</summary>
    public string KeptSignatureFolder(string kind) => Path.Combine(Root, "signatures-kept", kind);

    /// <summary>Ids of a partition's documents by their index in the first phase.</summary>
    public string Ids(int partition) => Path.Combine(Root, "work", "read", Number(partition) + ".ids");

    /// <summary>The corpus' copy of a model that a stage of the recipe names by a path.</summary>
    public string Model(string path) => Path.Combine(Root, "models", StableHash.Hash64(path).ToString("x16", CultureInfo.InvariantCulture) + ".bin");

    /// <summary>Folder of the corpus' copy of the model that embeds.</summary>
    public string EmbeddingModel => Path.Combine(Root, "models", "embeddings");

    /// <summary>Items of an evaluation set, as they were when the corpus was planned.</summary>
    public string EvaluationSet(string name) => Path.Combine(Root, "evaluation", name + ".json");

    /// <summary>What a partition has of the evaluation sets.</summary>
    public string Contamination(int partition) => Path.Combine(Root, "work", "read", Number(partition) + ".contamination.json");

    /// <summary>What a unit of a phase found among signatures or hashes, for the unit that joins them.</summary>
    public string Found(string phase, int unit) => Path.Combine(Root, "work", "found", phase, Number(unit) + ".bin");

    /// <summary>Folder of the decisions on duplicates.</summary>
    public string Decisions(string kind) => Path.Combine(Root, "work", "decisions", kind);

    /// <summary>For files that outgrow memory.</summary>
    public string Scratch => Path.Combine(Root, "work", "scratch");

    /// <summary>Everything between phases.</summary>
    public string Work => Path.Combine(Root, "work");

    /// <summary>The corpus itself: JSON objects on lines, one file for a partition.</summary>
    public string Shard(int partition) => Path.Combine(Root, "shards", Number(partition) + ".jsonl.zst");

    /// <summary>Folder of the shards: a source for training and for other corpora.</summary>
    public string Shards => Path.Combine(Root, "shards");

    /// <summary>How often each piece occurs in a shard: what vocabularies are learnt from.</summary>
    public string Pieces(int partition) => Path.Combine(Root, "pieces", Number(partition) + ".bin");

    /// <summary>The corpus' own tokenizer.</summary>
    public string Tokenizer => Path.Combine(Root, "tokenizer.json");

    /// <summary>What became of each document of a partition, and why.</summary>
    public string Provenance(int partition) => Path.Combine(Root, "provenance", Number(partition) + ".jsonl.zst");

    private static string Number(int number) => number.ToString("D6", CultureInfo.InvariantCulture);
}
