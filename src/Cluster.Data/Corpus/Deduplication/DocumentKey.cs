namespace Cluster.Data.Corpus.Deduplication;

/// <summary>Where a document stands, as de-duplication names it.</summary>
/// <param name="Corpus">0 for the corpus at hand, 1 and up for the earlier corpora in the order in which they were given.</param>
/// <param name="Partition">The partition's number in that corpus, 0 or more; partitions are numbered in source order.</param>
/// <param name="Index">The document's position among those of the partition that were given to the writer, 0 or more.</param>
public readonly record struct DocumentKey(int Corpus, int Partition, int Index);
