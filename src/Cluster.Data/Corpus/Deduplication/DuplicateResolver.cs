// Enters: signature files of partitions. Leaves: decision files, and what they add up to. Does not know: texts, nor what a signature measures.

using System.Runtime.InteropServices;
using Cluster.Core.Errors;
using Cluster.Data.Files;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>What near-duplicate search found.</summary>
/// <param name="Documents">Documents that were compared, earlier corpora included; those without shingles or vector are not among them.</param>
/// <param name="Pairs">Different pairs of documents that shared a bucket and, where asked for, were similar enough.</param>
/// <param name="Clusters">Clusters of two or more documents.</param>
/// <param name="LargestCluster">Documents in the largest one.</param>
/// <param name="Dropped">Documents of the corpus at hand that go.</param>
public sealed record DuplicateReport(long Documents, long Pairs, long Clusters, long LargestCluster, long Dropped);

/// <summary>
/// Finds near-duplicates across all partitions. For each band, records of (bucket, document) are sorted outside of memory; each bucket
/// joins its documents to its first by rank; the joined documents' components are the clusters, and the smallest rank of a cluster stays:
/// earlier corpora before the one at hand, then higher quality, longer text, smaller partition and index. A band is searched apart, by
/// whoever, and leaves a file of joined pairs; the components of all files are the rest. Decisions do not depend on the order of files,
/// on workers or on memory.
/// </summary>
public static class DuplicateResolver
{
    // Of a bucket whose documents are compared, at most so many become centres for others: bounds memory and time for a bucket of boilerplate.
    private const int MostCentres = 64;
    private const string BandMagic = "CLBANDE1";

    /// <summary>Decides for every partition at hand; a file each in <paramref name="decisionFolder"/>, see <see cref="DecisionReader.PathOf"/>.</summary>
    /// <param name="atHand">Files of <see cref="SignatureWriter"/> or <see cref="VectorSignatureWriter"/>, in any order.</param>
    /// <param name="earlier">Those of earlier corpora, of what was kept of them; the first corpus first. May be empty.</param>
    /// <param name="decisionFolder">Where decisions go.</param>
    /// <param name="minimumSimilarity">
    /// Documents that share a bucket are joined only if their estimated Jaccard similarity, or their vectors' cosine, is at least this; null
    /// joins them unseen, as FineWeb did. Vectors need a value.
    /// </param>
    /// <param name="resources">Memory, threads and scratch folder.</param>
    /// <param name="cancellation">Ends it early; decision files are whole or not there.</param>
    /// <exception cref="UserErrorException">Files are missing, damaged or made by different options, a value is out of range, or the disk is full.</exception>
    public static DuplicateReport Resolve(
        IReadOnlyList<string> atHand, IReadOnlyList<IReadOnlyList<string>> earlier, string decisionFolder, double? minimumSimilarity,
        ResolverResources resources, CancellationToken cancellation = default)
    {
        using var scratch = new Scratch(resources.Validate().ScratchFolder);
        return Scratch.Guard(() =>
        {
            using var set = new PartitionSet(SignatureFile.Magic, atHand, earlier);
            var run = new Run(set, minimumSimilarity, resources, scratch.Path, cancellation);
            var files = Enumerable.Range(0, run.Bands).Select(band => Path.Combine(scratch.Path, FormattableString.Invariant($"band-{band}"))).ToArray();
            long documents = 0;
            Parallel.For(0, files.Length, new ParallelOptions { MaxDegreeOfParallelism = resources.Workers, CancellationToken = cancellation }, band =>
            {
                var compared = run.Band(band, files[band]);
                if (band == 0)
                    documents = compared;
            });
            return run.Join(files, documents, decisionFolder);
        });
    }

    /// <summary>Searches one band: the pairs that its buckets join go to a file, for <see cref="Join"/>.</summary>
    /// <param name="atHand">As for <see cref="Resolve"/>.</param>
    /// <param name="earlier">As for <see cref="Resolve"/>.</param>
    /// <param name="minimumSimilarity">As for <see cref="Resolve"/>.</param>
    /// <param name="band">Which, from 0.</param>
    /// <param name="path">The file to write.</param>
    /// <param name="resources">Of all bands that are searched at a time, as many as it has workers.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>Documents that were compared.</returns>
    public static long Band(
        IReadOnlyList<string> atHand, IReadOnlyList<IReadOnlyList<string>> earlier, double? minimumSimilarity, int band, string path, ResolverResources resources,
        CancellationToken cancellation = default)
    {
        using var scratch = new Scratch(resources.Validate().ScratchFolder);
        return Scratch.Guard(() =>
        {
            using var set = new PartitionSet(SignatureFile.Magic, atHand, earlier);
            return new Run(set, minimumSimilarity, resources, scratch.Path, cancellation).Band(band, path);
        });
    }

    /// <summary>Decides by the pairs of all bands.</summary>
    /// <param name="atHand">As for <see cref="Resolve"/>.</param>
    /// <param name="earlier">As for <see cref="Resolve"/>.</param>
    /// <param name="minimumSimilarity">As for <see cref="Resolve"/>.</param>
    /// <param name="files">Of all bands.</param>
    /// <param name="documents">What any band said that it had compared.</param>
    /// <param name="decisionFolder">Where decisions go.</param>
    /// <param name="resources">Memory and scratch folder.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static DuplicateReport Join(
        IReadOnlyList<string> atHand, IReadOnlyList<IReadOnlyList<string>> earlier, double? minimumSimilarity, IReadOnlyList<string> files, long documents,
        string decisionFolder, ResolverResources resources, CancellationToken cancellation = default)
    {
        using var scratch = new Scratch(resources.Validate().ScratchFolder);
        return Scratch.Guard(() =>
        {
            using var set = new PartitionSet(SignatureFile.Magic, atHand, earlier);
            return new Run(set, minimumSimilarity, resources, scratch.Path, cancellation).Join(files, documents, decisionFolder);
        });
    }

    private delegate float Similarity(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b);

    private sealed class Run
    {
        private readonly PartitionSet _set;
        private readonly Dictionary<(int Corpus, int Partition), SignatureFile.Reader> _files;
        private readonly double? _minimum;
        private readonly ResolverResources _resources;
        private readonly string _scratch;
        private readonly CancellationToken _cancellation;
        private readonly int _bands, _payloadBytes;
        private readonly Similarity _similarity;

        public Run(PartitionSet set, double? minimum, ResolverResources resources, string scratch, CancellationToken cancellation)
        {
            if (minimum is not (null or (>= -1 and <= 1)))
                throw new UserErrorException(FormattableString.Invariant($"minimum_similarity is {minimum}."), "Give 0 to 1.");
            if (minimum is null && set.Scheme.StartsWith(HyperplaneOptions.SchemeWord, StringComparison.Ordinal))
            {
                throw new UserErrorException(
                    "minimum_similarity is not given, and vectors that share a bucket may be far apart.", "Give the least cosine, such as 0.95.");
            }

            (_set, _minimum, _resources, _scratch, _cancellation) = (set, minimum, resources, scratch, cancellation);
            _files = set.Files.ToDictionary(file => (file.Corpus, file.Partition), file => new SignatureFile.Reader(file));
            (_bands, _payloadBytes) = set.Files.Count == 0 ? (0, 0) : SignatureFile.Columns(set.Scheme, set.Files[0].Path);
            _similarity = set.Scheme.StartsWith(HyperplaneOptions.SchemeWord, StringComparison.Ordinal)
                ? VectorSignatureWriter.Cosine
                : MinHasher.Similarity;
        }

        /// <summary>Bands of the files.</summary>
        public int Bands => _bands;

        /// <returns>Documents that were compared.</returns>
        public long Band(int band, string path)
        {
            using var sorter = new RecordSorter<Entry>(_scratch, _resources.MemoryBytes / 2 / _resources.Workers);
            foreach (var file in _files.Values)
            {
                _cancellation.ThrowIfCancellationRequested();
                foreach (var (bucket, rank) in file.Band(band))
                    sorter.Add(new Entry(bucket, rank));
            }

            PartitionFile.Write(path, BandMagic, band, Edges(sorter.Sorted()));
            return sorter.Count;
        }

        public DuplicateReport Join(IReadOnlyList<string> files, long documents, string decisionFolder)
        {
            using var edges = new RecordSorter<Edge>(_scratch, _resources.MemoryBytes / 4);
            foreach (var edge in files.SelectMany(file => PartitionFile.Read<Edge>(file, BandMagic)))
                edges.Add(edge);
            long pairs = 0, clusters = 0, largest = 0;
            using var stars = new RecordSorter<Edge>(_scratch, _resources.MemoryBytes / 4);
            foreach (var star in ConnectedComponents.Stars(Distinct(edges.Sorted()), _scratch, _resources.MemoryBytes / 2, _cancellation))
                stars.Add(new Edge(star.To, star.From));

            using var decisions = new RecordSorter<DecisionRecord>(_scratch, _resources.MemoryBytes / 4);
            long size = 0;
            DocumentRank smallest = default;
            foreach (var star in stars.Sorted())
            {
                if (size == 0 || star.From != smallest)
                    (smallest, size, clusters) = (star.From, 1, clusters + 1);
                largest = Math.Max(largest, ++size);
                if (!star.To.IsAtHand)
                    continue;
                var (key, kept) = (star.To.Key, star.From.Key);
                decisions.Add(new DecisionRecord(key.Partition, key.Index, 0, kept.Corpus, kept.Partition, kept.Index, 0, 0));
            }

            var dropped = decisions.Count;
            DecisionWriter.Write(Measured(decisions.Sorted()), _set.AtHand, decisionFolder);
            return new DuplicateReport(documents, pairs, clusters, largest, dropped);

            IEnumerable<Edge> Distinct(IEnumerable<Edge> sorted)
            {
                foreach (var edge in ConnectedComponents.Distinct(sorted))
                {
                    pairs++;
                    yield return edge;
                }
            }
        }

        /// <summary>Of each bucket, edges from its first document to the others; with a minimum, from the first that is similar enough.</summary>
        private IEnumerable<Edge> Edges(IEnumerable<Entry> entries)
        {
            var centres = new List<(DocumentRank Rank, byte[]? Payload)>();
            var bucket = 0UL;
            var payload = new byte[_payloadBytes];
            foreach (var entry in entries)
            {
                if (centres.Count == 0 || entry.Bucket != bucket)
                {
                    _cancellation.ThrowIfCancellationRequested();
                    centres.Clear();
                    bucket = entry.Bucket;
                    // Most buckets have one document: its payload is read once a second one comes.
                    centres.Add((entry.Rank, null));
                    continue;
                }

                if (_minimum is null)
                {
                    yield return new Edge(centres[0].Rank, entry.Rank);
                    continue;
                }

                Payload(entry.Rank.Key, payload);
                var joined = false;
                for (var i = 0; i < centres.Count && !joined; i++)
                {
                    if (centres[i].Payload is null)
                    {
                        var own = new byte[_payloadBytes];
                        Payload(centres[i].Rank.Key, own);
                        centres[i] = (centres[i].Rank, own);
                    }

                    joined = _similarity(centres[i].Payload, payload) >= _minimum;
                    if (joined)
                        yield return new Edge(centres[i].Rank, entry.Rank);
                }

                if (!joined && centres.Count < MostCentres)
                    centres.Add((entry.Rank, payload.ToArray()));
            }
        }

        private IEnumerable<DecisionRecord> Measured(IEnumerable<DecisionRecord> decisions)
        {
            byte[] gone = new byte[_payloadBytes], kept = new byte[_payloadBytes];
            foreach (var decision in decisions)
            {
                Payload(new DocumentKey(0, decision.Partition, decision.Index), gone);
                Payload(new DocumentKey(decision.KeptCorpus, decision.KeptPartition, decision.KeptIndex), kept);
                yield return decision with { Similarity = _similarity(gone, kept) };
            }
        }

        private void Payload(DocumentKey key, Span<byte> destination) => _files[(key.Corpus, key.Partition)].Payload(key.Index, destination);
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Entry(ulong Bucket, DocumentRank Rank) : IComparable<Entry>
    {
        public int CompareTo(Entry other) => Bucket != other.Bucket ? Bucket.CompareTo(other.Bucket) : Rank.CompareTo(other.Rank);
    }
}
