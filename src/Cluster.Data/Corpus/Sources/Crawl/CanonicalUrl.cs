namespace Cluster.Data.Corpus.Sources.Crawl;

/// <summary>
/// One address for the many spellings of it (RFC 3986, section 6.2.2 and 6.2.3): scheme and host in lower case, no default port, no dot
/// segments, no fragment, no user; and without the parameters that only follow people around. Pure.
/// </summary>
public static class CanonicalUrl
{
    private const int LongestUrl = 2_000;
    private const int MostRepeats = 2;
    private const int MostSegments = 24;

    private static readonly HashSet<string> s_tracking = new(
        ["gclid", "fbclid", "msclkid", "mc_cid", "mc_eid", "igshid", "ref_src", "sessionid", "phpsessid", "jsessionid", "sid"], StringComparer.OrdinalIgnoreCase);

    /// <summary>The canonical address of a reference on a page, or null for one that cannot be fetched by HTTP.</summary>
    /// <param name="page">The page's address, for relative references; null for an absolute one.</param>
    /// <param name="reference">As written.</param>
    public static Uri? Of(Uri? page, string reference)
    {
        reference = reference.Trim();
        if (!(page is null ? Uri.TryCreate(reference, UriKind.Absolute, out var url) : Uri.TryCreate(page, reference, out url)) || url.Scheme is not ("http" or "https"))
            return null;
        var builder = new UriBuilder(url) { Fragment = "", UserName = "", Password = "" };
        if (url.IsDefaultPort)
            builder.Port = -1;
        var parameters = url.Query.TrimStart('?').Split('&', StringSplitOptions.RemoveEmptyEntries)
            .Where(parameter => Name(parameter) is var name && !s_tracking.Contains(name) && !name.StartsWith("utm_", StringComparison.OrdinalIgnoreCase));
        builder.Query = string.Join('&', parameters);
        return builder.Uri;
    }

    /// <summary>
    /// Whether an address looks like one that a page makes up without end: too long, too deep, or a path that repeats a part more than twice
    /// (calendars and relative links that nest).
    /// </summary>
    public static bool LooksLikeTrap(Uri url)
    {
        if (url.AbsoluteUri.Length > LongestUrl)
            return true;
        var segments = url.AbsolutePath.Split('/', StringSplitOptions.RemoveEmptyEntries);
        return segments.Length > MostSegments || segments.CountBy(segment => segment).Any(pair => pair.Value > MostRepeats);
    }

    private static string Name(string parameter) => parameter.Split('=', 2)[0];
}
