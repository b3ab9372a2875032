// Enters: a vector per document, such as a model's embedding. Leaves: their buckets and directions in a file. Does not know: the model.

using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Cluster.Core.Errors;
using Cluster.Core.Randomness;

namespace Cluster.Data.Corpus.Deduplication;

/// <summary>
/// How near-duplicates are found among vectors: random hyperplanes (Charikar, "Similarity estimation techniques from rounding algorithms",
/// 2002). A plane separates two vectors at angle θ with probability θ/π, so they share one of the tables' buckets with probability
/// 1 - (1 - (1 - θ/π)^bits)^tables: with the defaults 0.998 at cosine 0.95 and 0.05 at 0.5, before cosines are compared.
/// </summary>
public sealed record HyperplaneOptions
{
    /// <summary>Components of a vector, 1 to 65,536.</summary>
    public required int Dimensions { get; init; }

    /// <summary>Tables, 1 to 256.</summary>
    public int Tables { get; init; } = 32;

    /// <summary>Planes per table, 1 to 64.</summary>
    public int Bits { get; init; } = 16;

    /// <summary>Chooses the planes.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>Names what made the vectors, without spaces; vectors of different makers are not compared.</summary>
    public string Model { get; init; } = "any";

    internal string Scheme => FormattableString.Invariant(
        $"{SchemeWord} dimensions {Dimensions} tables {Tables} bits {Bits} seed {Seed} model {Model}");

    internal const string SchemeWord = "hyperplanes";

    internal string FileScheme => SignatureFile.Scheme(Scheme, Tables, PayloadBytes);

    internal int PayloadBytes => Dimensions * sizeof(float);

    /// <summary>The probability that two vectors of this cosine share a bucket.</summary>
    public double Recall(double cosine) => 1 - Math.Pow(1 - Math.Pow(1 - Math.Acos(cosine) / Math.PI, Bits), Tables);

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="UserErrorException">A value is out of range; it is named.</exception>
    public HyperplaneOptions Validate()
    {
        Check("dimensions", Dimensions, 65_536);
        Check("tables", Tables, 256);
        Check("bits", Bits, 64);
        return this;

        static void Check(string name, int value, int most)
        {
            if (value < 1 || value > most)
                throw new UserErrorException(FormattableString.Invariant($"{name} is {value}."), FormattableString.Invariant($"Give 1 to {most}."));
        }
    }
}

/// <summary>
/// Signatures of a partition's vectors, to be resolved like those of MinHash with a minimum similarity, which then is a cosine. The file is
/// a function of the vectors and the options; products are summed in one fixed order.
/// </summary>
public sealed class VectorSignatureWriter : IDisposable
{
    private readonly HyperplaneOptions _options;
    private readonly SignatureFile.Writer _file;
    private readonly float[] _planes;
    private readonly ulong[] _buckets;

    /// <param name="path">The file to write.</param>
    /// <param name="partition">The partition's number, 0 or more, in source order.</param>
    /// <param name="options">Dimensions and planes; the same for all files that are resolved together.</param>
    /// <exception cref="UserErrorException">An option is out of range, or the file can't be written.</exception>
    public VectorSignatureWriter(string path, int partition, HyperplaneOptions options)
    {
        _options = options.Validate();
        _buckets = new ulong[options.Tables];
        _planes = new float[options.Tables * options.Bits * options.Dimensions];
        for (var plane = 0; plane < options.Tables * options.Bits; plane++)
            new CounterRandom(options.Seed, RandomPurpose.Deduplication, (ulong)plane).Normal(_planes.AsSpan(plane * options.Dimensions, options.Dimensions), 1);
        _file = new SignatureFile.Writer(path, partition, options.Scheme, options.Tables, options.PayloadBytes);
    }

    /// <summary>The next document; the first has index 0.</summary>
    /// <param name="vector">As many components as the options say; one of length zero, or empty, takes no part.</param>
    /// <param name="length">Length of the document's text: of near-duplicates of equal quality the longer one stays.</param>
    /// <param name="quality">In [0, 1]; of near-duplicates the better one stays.</param>
    /// <exception cref="UserErrorException">The vector has another number of components, or one that is not finite.</exception>
    public void Add(ReadOnlySpan<float> vector, int length, double quality = 0)
    {
        if (!vector.IsEmpty && vector.Length != _options.Dimensions)
        {
            throw new UserErrorException(
                FormattableString.Invariant($"A vector has {vector.Length} components."), FormattableString.Invariant($"Give {_options.Dimensions}."));
        }

        var square = 0.0;
        foreach (var x in vector)
            square += (double)x * x;
        if (!double.IsFinite(square))
            throw new UserErrorException("A vector has a component that is not finite.", "Give finite numbers.");
        if (square == 0)
        {
            _file.Add(length, quality, []);
            return;
        }

        var direction = MemoryMarshal.Cast<byte, float>(_file.NextPayload);
        var scale = 1 / Math.Sqrt(square);
        for (var i = 0; i < vector.Length; i++)
            direction[i] = (float)(vector[i] * scale);
        for (var table = 0; table < _options.Tables; table++)
        {
            var bits = 0UL;
            for (var bit = 0; bit < _options.Bits; bit++)
            {
                var plane = _planes.AsSpan((table * _options.Bits + bit) * _options.Dimensions, _options.Dimensions);
                bits = (bits << 1) | (Dot(direction, plane) >= 0 ? 1UL : 0);
            }

            _buckets[table] = bits;
        }

        _file.Add(length, quality, _buckets);
    }

    /// <summary>The next document, with the vector that another file of the same options has for one.</summary>
    /// <param name="from">The other file.</param>
    /// <param name="index">The document's index in it.</param>
    /// <param name="length">As above.</param>
    /// <param name="quality">As above.</param>
    internal void Add(SignatureFile.Reader from, int index, int length, double quality) =>
        _file.Add(length, quality, from.Copy(index, _file.NextPayload, _buckets) ? _buckets : []);

    /// <summary>Puts the file in its place. Without it nothing is left behind.</summary>
    public void Complete() => _file.Complete();

    /// <inheritdoc/>
    public void Dispose() => _file.Dispose();

    /// <summary>The cosine of two directions as stored, kept in [-1, 1]; of equal ones 1, whatever their squares round to.</summary>
    internal static float Cosine(ReadOnlySpan<byte> a, ReadOnlySpan<byte> b) => a.SequenceEqual(b)
        ? 1
        : Math.Clamp(Dot(MemoryMarshal.Cast<byte, float>(a), MemoryMarshal.Cast<byte, float>(b)), -1, 1);

    /// <summary>Sixteen partial sums, whatever the width of the machine's vectors, added up in order.</summary>
    private static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        var sums = Vector512<float>.Zero;
        var i = 0;
        for (; i + Vector512<float>.Count <= a.Length; i += Vector512<float>.Count)
            sums += Vector512.Create(a[i..]) * Vector512.Create(b[i..]);
        var sum = 0.0;
        for (var lane = 0; lane < Vector512<float>.Count; lane++)
            sum += sums[lane];
        for (; i < a.Length; i++)
            sum += (double)a[i] * b[i];
        return (float)sum;
    }
}
