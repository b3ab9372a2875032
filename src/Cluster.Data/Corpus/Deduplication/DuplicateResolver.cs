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

/// <summary>One kind of comparison whose bands have been searched: shingles, or vectors.</summary>
/// <param name="AtHand">Its files, as for <see cref="DuplicateResolver.Resolve"/>.</param>
/// <param name="Earlier">Those of earlier corpora.</param>
/// <param name="Bands">Files of <see cref="DuplicateResolver.Band"/>, of all bands.</param>
/// <param name="Documents">What any band said that it had compared.</param>
/// <param name="DecisionFolder">Where decisions by this kind go.</param>
public sealed record ComparedDocuments(
    IReadOnlyList<string> AtHand, IReadOnlyList<IReadOnlyList<string>> Earlier, IReadOnlyList<string> Bands, long Documents,
    string DecisionFolder);

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
    private const string BandMagic = "CLBANDE1", StarMagic = "CLSTARS1";

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
            using var signatures = new Signatures(atHand, earlier);
            var files = Enumerable.Range(0, signatures.Bands)
                .Select(band => Path.Combine(scratch.Path, FormattableString.Invariant($"band-{band}"))).ToArray();
            long documents = 0;
            Parallel.For(0, files.Length, new ParallelOptions { MaxDegreeOfParallelism = resources.Workers, CancellationToken = cancellation }, band =>
            {
                var compared = new Search(signatures, minimumSimilarity, resources, scratch.Path, cancellation).Run(band, files[band]);
                if (band == 0)
                    documents = compared;
            });
            return Join([new ComparedDocuments(atHand, earlier, files, documents, decisionFolder)], resources, cancellation)[0];
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
            using var signatures = new Signatures(atHand, earlier);
            return new Search(signatures, minimumSimilarity, resources, scratch.Path, cancellation).Run(band, path);
        });
    }

    /// <summary>
    /// Decides by the pairs of all bands of one kind of comparison or several, whose clusters are one. A document goes by the first kind
    /// that, with those before it, leads to the document that stays; its similarity to that one is by this kind.
    /// </summary>
    /// <param name="kinds">At least one; the order counts. All of the same corpora.</param>
    /// <param name="resources">Memory and scratch folder.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <returns>For each kind what it compared and joined, the clusters by it and those before it, and what goes by it.</returns>
    public static IReadOnlyList<DuplicateReport> Join(
        IReadOnlyList<ComparedDocuments> kinds, ResolverResources resources, CancellationToken cancellation = default)
    {
        using var scratch = new Scratch(resources.Validate().ScratchFolder);
        return Scratch.Guard(() =>
        {
            var (stars, reports) = (new string[kinds.Count], new DuplicateReport[kinds.Count]);
            for (var kind = 0; kind < kinds.Count; kind++)
            {
                stars[kind] = Path.Combine(scratch.Path, FormattableString.Invariant($"stars-{kind}"));
                var before = kind == 0 ? [] : PartitionFile.Read<Edge>(stars[kind - 1], StarMagic);
                var pairs = Stars(kinds[kind].Bands, before, stars[kind], resources, scratch.Path, cancellation);
                var (clusters, largest) = Sizes(stars[kind], resources, scratch.Path);
                reports[kind] = new DuplicateReport(kinds[kind].Documents, pairs, clusters, largest, 0);
            }

            for (var kind = 0; kind < kinds.Count; kind++)
            {
                using var decisions = new RecordSorter<DecisionRecord>(scratch.Path, resources.MemoryBytes / 4);
                foreach (var (member, first) in Led(stars, kind))
                {
                    var (key, kept) = (member.Key, first.Key);
                    if (member.IsAtHand)
                        decisions.Add(new DecisionRecord(key.Partition, key.Index, 0, kept.Corpus, kept.Partition, kept.Index, 0, 0));
                }

                reports[kind] = reports[kind] with { Dropped = decisions.Count };
                using var signatures = new Signatures(kinds[kind].AtHand, kinds[kind].Earlier);
                DecisionWriter.Write(signatures.Measured(decisions.Sorted()), signatures.Set.AtHand, kinds[kind].DecisionFolder);
            }

            return reports;
        });
    }

    /// <summary>Writes, by member, the edges from each member of a component to its first.</summary>
    /// <returns>Different pairs of the bands.</returns>
    private static long Stars(
        IReadOnlyList<string> bands, IEnumerable<Edge> before, string path, ResolverResources resources, string scratch,
        CancellationToken cancellation)
    {
        using var edges = new RecordSorter<Edge>(scratch, resources.MemoryBytes / 4);
        foreach (var edge in bands.SelectMany(file => PartitionFile.Read<Edge>(file, BandMagic)))
            edges.Add(edge);
        long pairs = 0;
        using var stars = new RecordSorter<Edge>(scratch, resources.MemoryBytes / 4);
        var joined = before.Concat(Distinct(edges.Sorted()));
        foreach (var star in ConnectedComponents.Stars(joined, scratch, resources.MemoryBytes / 2, cancellation))
            stars.Add(star);
        PartitionFile.Write(path, StarMagic, 0, stars.Sorted());
        return pairs;

        IEnumerable<Edge> Distinct(IEnumerable<Edge> sorted)
        {
            foreach (var edge in ConnectedComponents.Distinct(sorted))
            {
                pairs++;
                yield return edge;
            }
        }
    }

    /// <summary>Components, and members of the largest.</summary>
    private static (long Clusters, long Largest) Sizes(string stars, ResolverResources resources, string scratch)
    {
        using var firsts = new RecordSorter<DocumentRank>(scratch, resources.MemoryBytes / 4);
        foreach (var star in PartitionFile.Read<Edge>(stars, StarMagic))
            firsts.Add(star.To);
        long clusters = 0, largest = 0, size = 0;
        DocumentRank first = default;
        foreach (var rank in firsts.Sorted())
        {
            if (size == 0 || rank != first)
                (first, size, clusters) = (rank, 1, clusters + 1);
            largest = Math.Max(largest, ++size);
        }

        return (clusters, largest);
    }

    /// <summary>Members with the first of their component by all kinds, of those that this kind is the first one to lead there.</summary>
    private static IEnumerable<(DocumentRank Member, DocumentRank First)> Led(string[] stars, int kind)
    {
        // By member, as all the files are. Whom one kind leads to the first, the next one does too.
        using var before = (kind == 0 ? [] : PartitionFile.Read<Edge>(stars[kind - 1], StarMagic)).GetEnumerator();
        using var own = PartitionFile.Read<Edge>(stars[kind], StarMagic).GetEnumerator();
        var (moreBefore, moreOwn) = (before.MoveNext(), own.MoveNext());
        foreach (var star in PartitionFile.Read<Edge>(stars[^1], StarMagic))
        {
            if (Leads(own, ref moreOwn, star) && !Leads(before, ref moreBefore, star))
                yield return (star.From, star.To);
        }

        static bool Leads(IEnumerator<Edge> edges, ref bool more, Edge star)
        {
            while (more && edges.Current.CompareTo(star) < 0)
                more = edges.MoveNext();
            return more && edges.Current == star;
        }
    }

    private delegate float Similarity(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b);

    /// <summary>Files of one kind, open.</summary>
    private sealed class Signatures : IDisposable
    {
        private readonly Dictionary<(int Corpus, int Partition), SignatureFile.Reader> _files;

        public Signatures(IReadOnlyList<string> atHand, IReadOnlyList<IReadOnlyList<string>> earlier)
        {
            Set = new PartitionSet(SignatureFile.Magic, atHand, earlier);
            try
            {
                _files = Set.Files.ToDictionary(file => (file.Corpus, file.Partition), file => new SignatureFile.Reader(file));
                (Bands, PayloadBytes) = Set.Files.Count == 0 ? (0, 0) : SignatureFile.Columns(Set.Scheme, Set.Files[0].Path);
            }
            catch
            {
                Set.Dispose();
                throw;
            }

            AreVectors = Set.Scheme.StartsWith(HyperplaneOptions.SchemeWord, StringComparison.Ordinal);
            Similarity = AreVectors ? VectorSignatureWriter.Cosine : MinHasher.Similarity;
        }

        public PartitionSet Set { get; }

        public int Bands { get; }

        public int PayloadBytes { get; }

        public bool AreVectors { get; }

        public Similarity Similarity { get; }

        public IEnumerable<SignatureFile.Reader> Readers => _files.Values;

        public void Payload(DocumentKey key, Span<byte> destination) => _files[(key.Corpus, key.Partition)].Payload(key.Index, destination);

        /// <summary>The decisions with their similarities.</summary>
        public IEnumerable<DecisionRecord> Measured(IEnumerable<DecisionRecord> decisions)
        {
            byte[] gone = new byte[PayloadBytes], kept = new byte[PayloadBytes];
            foreach (var decision in decisions)
            {
                Payload(new DocumentKey(0, decision.Partition, decision.Index), gone);
                Payload(new DocumentKey(decision.KeptCorpus, decision.KeptPartition, decision.KeptIndex), kept);
                yield return decision with { Similarity = Similarity(gone, kept) };
            }
        }

        public void Dispose() => Set.Dispose();
    }

    /// <summary>The search of bands.</summary>
    private sealed class Search
    {
        private readonly Signatures _signatures;
        private readonly double? _minimum;
        private readonly ResolverResources _resources;
        private readonly string _scratch;
        private readonly CancellationToken _cancellation;

        public Search(Signatures signatures, double? minimum, ResolverResources resources, string scratch, CancellationToken cancellation)
        {
            if (minimum is not (null or (>= -1 and <= 1)))
                throw new UserErrorException(FormattableString.Invariant($"minimum_similarity is {minimum}."), "Give 0 to 1.");
            if (minimum is null && signatures.AreVectors)
            {
                throw new UserErrorException(
                    "minimum_similarity is not given, and vectors that share a bucket may be far apart.", "Give the least cosine, such as 0.95.");
            }

            (_signatures, _minimum, _resources, _scratch, _cancellation) = (signatures, minimum, resources, scratch, cancellation);
        }

        /// <returns>Documents that were compared.</returns>
        public long Run(int band, string path)
        {
            using var sorter = new RecordSorter<Entry>(_scratch, _resources.MemoryBytes / 2 / _resources.Workers);
            foreach (var file in _signatures.Readers)
            {
                _cancellation.ThrowIfCancellationRequested();
                foreach (var (bucket, rank) in file.Band(band))
                    sorter.Add(new Entry(bucket, rank));
            }

            PartitionFile.Write(path, BandMagic, band, Edges(sorter.Sorted()));
            return sorter.Count;
        }

        /// <summary>Of each bucket, edges from its first document to the others; with a minimum, from the first that is similar enough.</summary>
        private IEnumerable<Edge> Edges(IEnumerable<Entry> entries)
        {
            var centres = new List<(DocumentRank Rank, byte[]? Payload)>();
            var bucket = 0UL;
            var payload = new byte[_signatures.PayloadBytes];
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

                _signatures.Payload(entry.Rank.Key, payload);
                var joined = false;
                for (var i = 0; i < centres.Count && !joined; i++)
                {
                    if (centres[i].Payload is null)
                    {
                        var own = new byte[_signatures.PayloadBytes];
                        _signatures.Payload(centres[i].Rank.Key, own);
                        centres[i] = (centres[i].Rank, own);
                    }

                    joined = _signatures.Similarity(centres[i].Payload, payload) >= _minimum;
                    if (joined)
                        yield return new Edge(centres[i].Rank, entry.Rank);
                }

                if (!joined && centres.Count < MostCentres)
                    centres.Add((entry.Rank, payload.ToArray()));
            }
        }
    }

    [StructLayout(LayoutKind.Sequential)]
    private readonly record struct Entry(ulong Bucket, DocumentRank Rank) : IComparable<Entry>
    {
        public int CompareTo(Entry other) => Bucket != other.Bucket ? Bucket.CompareTo(other.Bucket) : Rank.CompareTo(other.Rank);
    }
}
