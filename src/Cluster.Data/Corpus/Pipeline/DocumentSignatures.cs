using System.Diagnostics;
using System.Text;
using Cluster.Data.Corpus.Deduplication;
using Cluster.Data.Corpus.Recipes;

namespace Cluster.Data.Corpus.Pipeline;

/// <summary>The files by which a partition's documents are compared with those of others: hashes of equal texts, MinHash signatures of similar ones.</summary>
internal sealed class DocumentSignatures : IDisposable
{
    public const string Exact = "exact", Near = "near", Embeddings = "embeddings";

    private readonly ExactHashWriter? _exact;
    private readonly SignatureWriter? _near;
    private readonly StageTimes? _times;

    private DocumentSignatures(ExactHashWriter? exact, SignatureWriter? near, StageTimes? times) => (_exact, _near, _times) = (exact, near, times);

    /// <param name="folder">Folder of a kind.</param>
    /// <param name="partition">The partition.</param>
    /// <param name="recipe">What is compared.</param>
    /// <param name="times">Takes the times.</param>
    public static DocumentSignatures Create(Func<string, string> folder, int partition, DuplicatesRecipe recipe, StageTimes? times) => new(
        recipe.Exact ? new ExactHashWriter(PathOf(folder(Exact), partition), partition, new ExactOptions()) : null,
        recipe.Near is { } near ? new SignatureWriter(PathOf(folder(Near), partition), partition, near.MinHash) : null, times);

    public static string PathOf(string folder, int partition) => Path.Combine(folder, partition.ToString("D6", System.Globalization.CultureInfo.InvariantCulture) + ".bin");

    public void Add(Document document)
    {
        var start = Stopwatch.GetTimestamp();
        _exact?.Add(document.Text, document.Quality);
        var between = Stopwatch.GetTimestamp();
        _near?.Add(document.Text, document.Quality);
        if (_times is null)
            return;
        var bytes = Encoding.UTF8.GetByteCount(document.Text);
        if (_exact is not null)
            _times.Add("exact-hash", between - start, bytes);
        if (_near is not null)
            _times.Add("minhash", Stopwatch.GetTimestamp() - between, bytes);
    }

    public void Complete()
    {
        _exact?.Complete();
        _near?.Complete();
    }

    public void Dispose()
    {
        _exact?.Dispose();
        _near?.Dispose();
    }
}
