// Enters: sizes of domains and targets. Leaves: how often each document is taken, and asked beside got. Does not know: where documents are.

using Cluster.Core.Errors;
using Cluster.Core.Randomness;

namespace Cluster.Data.Corpus.Mixing;

/// <summary>One domain of a mix.</summary>
/// <param name="Domain">Its name.</param>
/// <param name="Available">What the corpus has.</param>
/// <param name="AskedShare">Share of the mix's bytes that was asked for, in [0, 1].</param>
/// <param name="PlannedShare">Share after the cap on repeats.</param>
/// <param name="Passes">How often the domain's text is taken on average, for documents of weight 1.</param>
public sealed record PlannedDomain(string Domain, DomainSize Available, double AskedShare, double PlannedShare, double Passes);

/// <summary>A domain of a mix as it came out.</summary>
/// <param name="Domain">Its name.</param>
/// <param name="AskedShare">Share of the bytes that was asked for.</param>
/// <param name="GotShare">Share that it has.</param>
/// <param name="AvailableBytes">Bytes that the corpus has.</param>
/// <param name="GotBytes">Bytes that were taken, repeats included.</param>
/// <param name="Passes">How often its bytes were taken on average.</param>
public sealed record MixedDomain(string Domain, double AskedShare, double GotShare, long AvailableBytes, long GotBytes, double Passes);

/// <summary>
/// How often each document is taken so that domains have their shares. A document is taken floor(e) times, e being its domain's passes
/// times its own weight, and once more with odds e - floor(e), drawn by its id: neither order nor partitions matter, and a document that
/// is taken at some number of passes is taken at every higher one. The cap on repeats holds for each document: a heavy one that meets it
/// takes less than its weight's share, and the report says so.
/// </summary>
public sealed class MixPlan
{
    private readonly MixOptions _options;
    private readonly Dictionary<string, PlannedDomain> _domains;

    private MixPlan(MixOptions options, List<PlannedDomain> domains, long totalBytes)
    {
        (_options, Domains, TotalBytes) = (options, domains, totalBytes);
        _domains = domains.ToDictionary(domain => domain.Domain, StringComparer.Ordinal);
    }

    /// <summary>In ordinal order of their names.</summary>
    public IReadOnlyList<PlannedDomain> Domains { get; }

    /// <summary>Bytes that were asked for in all.</summary>
    public long TotalBytes { get; }

    /// <summary>Plans a mix.</summary>
    /// <param name="sizes">What the corpus has.</param>
    /// <param name="options">What is asked for.</param>
    /// <exception cref="UserErrorException">An option is out of range, a target names a domain that the corpus lacks, or there is no text.</exception>
    public static MixPlan Create(IReadOnlyDictionary<string, DomainSize> sizes, MixOptions options)
    {
        options.Validate();
        var names = sizes.Keys.Order(StringComparer.Ordinal).ToArray();
        if (options.Targets?.Keys.Order(StringComparer.Ordinal).FirstOrDefault(name => sizes.GetValueOrDefault(name).Bytes == 0) is { } missing)
            throw new UserErrorException($"The mix asks for {missing}, of which the corpus has nothing.", $"Name domains that it has: {string.Join(", ", names)}.");
        var available = names.Select(name => sizes[name].WeightedBytes / 1000.0).ToArray();
        var asked = names.Select((name, i) => options.Targets is { } targets
            ? targets.GetValueOrDefault(name)
            : available[i] > 0 ? Math.Pow(available[i], 1 / options.Temperature) : 0).ToArray();
        var sum = asked.Sum();
        if (!(sum > 0 && double.IsFinite(sum)))
            throw new UserErrorException("The corpus has no text to mix.", "Give sources that have some.");
        for (var i = 0; i < asked.Length; i++)
            asked[i] /= sum;

        var total = options.TotalBytes ?? names.Sum(name => sizes[name].Bytes);
        var bytes = Fill(asked, total, [.. available.Select(most => most * options.MaximumRepeats)]);
        var planned = bytes.Sum();
        return new MixPlan(options,
        [
            .. names.Select((name, i) => new PlannedDomain(name, sizes[name], asked[i], bytes[i] / planned, available[i] > 0 ? bytes[i] / available[i] : 0)),
        ], total);
    }

    /// <summary>How often a document is taken; 0 leaves it out.</summary>
    public int Copies(Document document)
    {
        if (!_domains.TryGetValue(_options.DomainOf(document), out var domain))
            return 0;
        var expected = Math.Min(_options.MaximumRepeats, domain.Passes * MixTally.WeightThousandths(document) / 1000.0);
        var whole = Math.Floor(expected);
        var draw = new CounterRandom(_options.Seed, RandomPurpose.Mixing, StableHash.Hash64(document.Id)).Double(0);
        return (int)whole + (draw < expected - whole ? 1 : 0);
    }

    /// <summary>The copies of a document: the first as it is, the others with "#2", "#3" … at the end of their ids.</summary>
    public IEnumerable<Document> Apply(Document document)
    {
        var copies = Copies(document);
        for (var copy = 1; copy <= copies; copy++)
            yield return copy == 1 ? document : document with { Id = FormattableString.Invariant($"{document.Id}#{copy}") };
    }

    /// <summary>Asked beside got.</summary>
    /// <param name="got">Sizes of what <see cref="Apply"/> made of the corpus.</param>
    public IReadOnlyList<MixedDomain> Report(IReadOnlyDictionary<string, DomainSize> got)
    {
        var all = Math.Max(1, got.Values.Sum(size => size.Bytes));
        return
        [
            .. Domains.Select(domain =>
            {
                var bytes = got.GetValueOrDefault(domain.Domain).Bytes;
                return new MixedDomain(
                    domain.Domain, domain.AskedShare, bytes / (double)all, domain.Available.Bytes, bytes,
                    bytes / (double)Math.Max(1, domain.Available.Bytes));
            }),
        ];
    }

    /// <summary>Fills vessels in proportion to <paramref name="shares"/>; what one cannot hold goes to the others in proportion.</summary>
    private static double[] Fill(double[] shares, double total, double[] capacity)
    {
        var filled = new double[shares.Length];
        var open = Enumerable.Range(0, shares.Length).Where(i => shares[i] > 0).ToList();
        for (var left = total; open.Count > 0 && left > 0;)
        {
            var sum = open.Sum(i => shares[i]);
            var full = open.Where(i => left * shares[i] / sum >= capacity[i]).ToList();
            if (full.Count == 0)
            {
                foreach (var i in open)
                    filled[i] = left * shares[i] / sum;
                break;
            }

            foreach (var i in full)
            {
                filled[i] = capacity[i];
                left -= capacity[i];
                open.Remove(i);
            }
        }

        return filled;
    }
}
