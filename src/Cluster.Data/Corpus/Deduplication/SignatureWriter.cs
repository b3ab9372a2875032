// Enters: the documents of one partition. Leaves: their MinHash signatures in a file. Does not know: other partitions.

using System.Runtime.InteropServices;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>
/// MinHash signatures of a partition: the file is a function of the documents and the options. A document takes 16 bytes, 8 for each band
/// and 8 for each hash function: 1,024 with the defaults. Memory: about 1 MB, and the longest document's shingles.
/// </summary>
public sealed class SignatureWriter : IDisposable
{
    private readonly SignatureFile.Writer _file;
    private readonly Shingles _shingles;
    private readonly MinHasher _hasher;
    private readonly ulong[] _buckets;

    /// <param name="path">The file to write.</param>
    /// <param name="partition">The partition's number, 0 or more, in source order.</param>
    /// <param name="options">Shingles and bands; the same for all files that are resolved together.</param>
    /// <exception cref="Cluster.Core.Errors.UserErrorException">An option is out of range, or the file can't be written.</exception>
    public SignatureWriter(string path, int partition, MinHashOptions options)
    {
        options.Validate();
        _shingles = new Shingles(options.Shingles, options.ShingleLength);
        _hasher = new MinHasher(options);
        _buckets = new ulong[options.Bands];
        _file = new SignatureFile.Writer(path, partition, options.Scheme, options.Bands, options.Permutations * sizeof(ulong));
    }

    /// <summary>The next document; the first has index 0. One without letters and digits is nobody's duplicate.</summary>
    /// <param name="text">Its text.</param>
    /// <param name="quality">In [0, 1]; of near-duplicates the better one stays.</param>
    public void Add(string text, double quality = 0)
    {
        var shingles = _shingles.Of(text);
        if (!shingles.IsEmpty)
            _hasher.Compute(shingles, MemoryMarshal.Cast<byte, ulong>(_file.NextPayload), _buckets);
        _file.Add(text.Length, quality, shingles.IsEmpty ? [] : _buckets);
    }

    /// <summary>Puts the file in its place. Without it nothing is left behind.</summary>
    public void Complete() => _file.Complete();

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();
}
