using System.Collections.Immutable;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Quality;

/// <summary>
/// How much a recipe trusts the sources of its texts, each in [0, 1]. The longest matching domain of the document's address counts
/// ("docs.example.org" before "example.org"), else its dataset, else <see cref="Otherwise"/>.
/// </summary>
public sealed record Reputation
{
    /// <summary>By domain, in lower case; one stands for its sub-domains too.</summary>
    public ImmutableSortedDictionary<string, double> Domains { get; init; } =
        ImmutableSortedDictionary.Create<string, double>(StringComparer.Ordinal);

    /// <summary>By <see cref="DocumentMetadata.Dataset"/>.</summary>
    public ImmutableSortedDictionary<string, double> Datasets { get; init; } =
        ImmutableSortedDictionary.Create<string, double>(StringComparer.Ordinal);

    /// <summary>Of any other source; null says nothing, and the part is left out of the quality.</summary>
    public double? Otherwise { get; init; }

    /// <summary>Returns it if all values are in range.</summary>
    /// <exception cref="UserErrorException">One is not; the message names it.</exception>
    public Reputation Validate()
    {
        foreach (var (name, value) in Domains.Concat(Datasets).Append(new("otherwise", Otherwise ?? 0)))
        {
            if (!(value is >= 0 and <= 1))
                throw new UserErrorException(FormattableString.Invariant($"The reputation of {name} is {value}."), "Give 0 to 1.");
        }

        return this;
    }

    /// <summary>Of a document's source; null if nothing is said of it.</summary>
    public double? Of(DocumentMetadata metadata)
    {
        if (Domains.Count > 0 && Uri.TryCreate(metadata.Url, UriKind.Absolute, out var address))
        {
            for (var host = address.IdnHost.ToLowerInvariant(); host.Length > 0;)
            {
                if (Domains.TryGetValue(host, out var value))
                    return value;
                var dot = host.IndexOf('.', StringComparison.Ordinal);
                host = dot < 0 ? "" : host[(dot + 1)..];
            }
        }

        return metadata.Dataset is { } dataset && Datasets.TryGetValue(dataset, out var ofDataset) ? ofDataset : Otherwise;
    }
}
