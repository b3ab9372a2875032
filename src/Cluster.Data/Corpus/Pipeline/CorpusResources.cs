using Cluster.Core.Errors;
using Cluster.Data.Corpus.Deduplication;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>What building a corpus may use. None of it changes the corpus.</summary>
public sealed record CorpusResources
{
    /// <summary>Partitions worked on at a time, at least 1.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>Bytes for the buffers of sorting, at least 1 MiB; what does not fit goes to disk.</summary>
    public long MemoryBytes { get; init; } = 256L << 20;

    /// <summary>Models for <c>duplicates.embeddings</c>; null where the host has none.</summary>
    public IEmbeddingModels? Embeddings { get; init; }

    /// <summary>Takes the times of stages, for benchmarks.</summary>
    public StageTimes? Times { get; init; }

    /// <summary>Returns the resources if all are in range.</summary>
    /// <exception cref="UserErrorException">One is not.</exception>
    public CorpusResources Validate()
    {
        if (Workers is < 1 or > 1_024)
            throw new UserErrorException($"The number of workers is {Workers}.", "Give a whole number from 1 to 1024.");
        if (MemoryBytes < 1 << 20)
            throw new UserErrorException($"The memory is {MemoryBytes} bytes.", "Give at least 1 MiB.");
        return this;
    }

    internal IEmbeddingModels RequireEmbeddings() => Embeddings
        ?? throw new UserErrorException(
            "duplicates.embeddings asks for a model, and this program has none.", "Build with `cluster corpus build`, or leave it out.");
}
