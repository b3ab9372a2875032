// Enters: a corpus that was built and a run on it. Leaves: what the run's model loses on each domain's held-out text.
// Does not know: what becomes of the figures, nor how the run was trained.
using Cluster.Core.Errors;
using Cluster.Core.Recipes;
using Cluster.Core.Runs;
using Cluster.Data.Corpus;
using Cluster.Data.Corpus.Mixing;
using Cluster.Data.Tokens;
using Cluster.Inference.Backends;
using Cluster.Inference.Managed;
using Cluster.Model.Decode;
using Cluster.Silo.Inference;
using Cluster.Silo.Stages;
using Cluster.Silo.Streamlining;

namespace Cluster.Silo.Corpus;

/// <summary>A model's loss by domain.</summary>
/// <param name="Step">Steps that the model was trained.</param>
/// <param name="WeightsSha256">Its weights.</param>
/// <param name="Domains">Bits per byte by domain.</param>
public sealed record DomainBits(long Step, string WeightsSha256, IReadOnlyDictionary<string, double> Domains) : IProxyRun
{
    /// <inheritdoc/>
    public double BitsPerByte(string domain) => Domains[domain];
}

/// <summary>A domain's place in a corpus.</summary>
/// <param name="Bytes">UTF-8 bytes in the corpus, repeats included.</param>
/// <param name="HeldOutDocuments">Documents that a run with the recipe validates on.</param>
/// <param name="HeldOutBytes">Their bytes.</param>
public sealed record DomainText(long Bytes, long HeldOutDocuments, long HeldOutBytes);

/// <summary>
/// The held-out text of a corpus by domains of its mix: exactly the documents that a run with the recipe validates on, for the same code
/// splits the same documents. Of each domain the first tokens count, up to a limit. Loss is computed in fp32 on one thread of the managed
/// decoder, so that it is a function of weights and text.
/// </summary>
public sealed class DomainLoss
{
    private readonly Recipe _recipe;
    private readonly int _tokens;
    private readonly SortedDictionary<string, List<Document>> _heldOut;

    private DomainLoss(Recipe recipe, int tokens, IReadOnlyDictionary<string, DomainText> domains, SortedDictionary<string, List<Document>> heldOut) =>
        (_recipe, _tokens, Domains, _heldOut) = (recipe, tokens, domains, heldOut);

    /// <summary>The domains in ordinal order.</summary>
    public IReadOnlyDictionary<string, DomainText> Domains { get; }

    /// <summary>Reads and splits a corpus.</summary>
    /// <param name="corpus">The corpus.</param>
    /// <param name="mix">What its domains are.</param>
    /// <param name="recipe">Of the runs that are to be measured.</param>
    /// <param name="tokens">Most tokens that are measured of each domain, at least 2.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="UserErrorException">There are fewer than two domains, or one has no document that is held out whole.</exception>
    public static DomainLoss Of(BuiltCorpusSource corpus, MixOptions mix, Recipe recipe, int tokens, CancellationToken cancellation = default)
    {
        var split = new CorpusBuilder(DataStages.OptionsOf(recipe)).Build(corpus, null, cancellation);
        if (split.Report.Split.Method == CorpusSplit.Tail)
        {
            throw new UserErrorException($"The corpus {corpus.Folder.Root} holds out the end of its text: {split.Report.Split.Explanation}",
                "Give a corpus of twenty documents or more, so that whole ones are held out of each domain.");
        }

        var heldOut = new SortedDictionary<string, List<Document>>(StringComparer.Ordinal);
        var bytes = new SortedDictionary<string, DomainText>(StringComparer.Ordinal);
        foreach (var (part, documents) in ((SplitPart, IReadOnlyList<Document>)[])[
            (SplitPart.Train, split.Train), (SplitPart.Validation, split.Validation), (SplitPart.Test, split.Test)])
        {
            foreach (var document in documents)
            {
                var domain = mix.DomainOf(document);
                var length = System.Text.Encoding.UTF8.GetByteCount(document.Text);
                var so = bytes.GetValueOrDefault(domain) ?? new DomainText(0, 0, 0);
                bytes[domain] = part == SplitPart.Validation
                    ? new DomainText(so.Bytes + length, so.HeldOutDocuments + 1, so.HeldOutBytes + length) : so with { Bytes = so.Bytes + length };
                if (part != SplitPart.Validation)
                    continue;
                if (!heldOut.TryGetValue(domain, out var own))
                    heldOut.Add(domain, own = []);
                own.Add(document);
            }
        }

        if (bytes.Count < 2)
        {
            throw new UserErrorException($"The corpus has one domain by {mix.Key.ToString().ToLowerInvariant()}: {bytes.Keys.FirstOrDefault()}.",
                "Give a corpus of several, or another mix.key in its recipe.");
        }

        if (bytes.FirstOrDefault(pair => pair.Value.HeldOutDocuments == 0).Key is { } bare)
        {
            throw new UserErrorException(FormattableString.Invariant($"No document of {bare} is held out: it has {bytes[bare].Bytes} bytes."),
                FormattableString.Invariant($"Raise corpus.validation_fraction ({recipe.Corpus.ValidationFraction}) by --set, or give it more documents."));
        }

        return new DomainLoss(recipe, tokens, bytes, heldOut);
    }

    /// <summary>Measures a run's newest model.</summary>
    /// <param name="run">Its folder.</param>
    /// <param name="cancellation">Ends it early.</param>
    /// <exception cref="UserErrorException">The run has no model.</exception>
    public DomainBits Measure(RunFolder run, CancellationToken cancellation = default)
    {
        var source = RunSource.Open(run);
        var weights = source.LatestWeights(_ => { });
        using var decoder = source.Decoder(weights, DecodePrecision.Fp32, backend: DecodeBackendKind.Managed);
        var bits = new SortedDictionary<string, double>(StringComparer.Ordinal);
        foreach (var (domain, documents) in _heldOut)
            bits[domain] = ModelQuality.Bits(decoder, HeldOutText.Measured(Windows(documents, source.Tokenizer), source.Tokenizer), cancellation);
        return new DomainBits(weights.Step, weights.Sha256, bits);
    }

    /// <summary>The documents as training reads them: each between its borders, one after another, cut at the context.</summary>
    private IEnumerable<TextWindow> Windows(IReadOnlyList<Document> documents, ITokenizer tokenizer)
    {
        var ids = new List<int>();
        foreach (var document in documents)
        {
            if (ids.Count > _tokens)
                break;
            ids.Add(tokenizer.Special.BeginOfText);
            tokenizer.Encode(document.Text, ids);
            ids.Add(tokenizer.Special.EndOfText);
        }

        var last = Math.Min(_tokens, ids.Count - 1);
        for (var start = 0; start < last; start += _recipe.Model.Context)
        {
            var length = Math.Min(_recipe.Model.Context, last - start);
            yield return new TextWindow([.. ids.GetRange(start, length)], [.. ids.GetRange(start + 1, length)], [.. Enumerable.Repeat((byte)1, length)]);
        }
    }
}
