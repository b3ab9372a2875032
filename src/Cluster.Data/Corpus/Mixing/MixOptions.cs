using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Mixing;

/// <summary>What a mix is proportioned by.</summary>
public enum MixKey
{
    /// <summary>The source's name in the recipe.</summary>
    Dataset,

    /// <summary>The host of the document's address.</summary>
    Host,

    /// <summary>The document's language.</summary>
    Language,
}

/// <summary>What a mix is asked for.</summary>
public sealed record MixOptions
{
    /// <summary>What documents are grouped by.</summary>
    public MixKey Key { get; init; } = MixKey.Dataset;

    /// <summary>
    /// Share of the bytes for each domain, positive, brought to a sum of 1. Domains that are not named get none. Null for shares by
    /// <see cref="Temperature"/>.
    /// </summary>
    public IReadOnlyDictionary<string, double>? Targets { get; init; }

    /// <summary>
    /// Without targets, shares are p_i ∝ n_i^(1/T), n_i being a domain's bytes times weight: 1 takes the corpus as it is, more favours small
    /// domains (Conneau et al., "Unsupervised cross-lingual representation learning at scale", 2020, with 1/T = 0.3). Above 0.
    /// </summary>
    public double Temperature { get; init; } = 1;

    /// <summary>Bytes of the mix; null for as many as the corpus has.</summary>
    public long? TotalBytes { get; init; }

    /// <summary>
    /// No document is taken more often than this; what a domain cannot give is spread over the others in proportion. 1 or more. Up to
    /// four repeats are nearly as good as new text (Muennighoff et al., "Scaling data-constrained language models", 2023).
    /// </summary>
    public int MaximumRepeats { get; init; } = 4;

    /// <summary>Chooses the documents that are taken once more or once less.</summary>
    public ulong Seed { get; init; } = 1;

    /// <summary>The domain of a document; "unknown" where the source does not say.</summary>
    public string DomainOf(Document document) => Key switch
    {
        MixKey.Host => document.Metadata.Url is { } url && Uri.TryCreate(url, UriKind.Absolute, out var uri) && uri.Host.Length > 0 ? uri.Host : "unknown",
        MixKey.Language => document.Metadata.Language ?? "unknown",
        _ => document.Metadata.Dataset ?? "unknown",
    };

    /// <summary>Throws if a value is out of range.</summary>
    /// <exception cref="UserErrorException">A value is out of range; it is named.</exception>
    public MixOptions Validate()
    {
        if (!(Temperature > 0 && double.IsFinite(Temperature)))
            throw new UserErrorException(FormattableString.Invariant($"temperature is {Temperature}."), "Give a number above 0.");
        if (MaximumRepeats < 1)
            throw new UserErrorException(FormattableString.Invariant($"maximum_repeats is {MaximumRepeats}."), "Give 1 or more.");
        if (TotalBytes < 1)
            throw new UserErrorException(FormattableString.Invariant($"total_bytes is {TotalBytes}."), "Give 1 or more.");
        foreach (var (domain, share) in Targets ?? new Dictionary<string, double>())
            if (!(share > 0 && double.IsFinite(share)))
                throw new UserErrorException(FormattableString.Invariant($"The target of {domain} is {share}."), "Give a number above 0, or leave the domain out.");
        if (Targets is { Count: 0 })
            throw new UserErrorException("The targets name no domain.", "Name at least one.");
        return this;
    }
}
