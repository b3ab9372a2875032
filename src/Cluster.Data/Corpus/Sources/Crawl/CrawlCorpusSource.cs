using System.Globalization;
using System.Net;
using System.Text;
using AngleSharp.Dom;
using AngleSharp.Html.Parser;
using Cluster.Data.Corpus.Sources.Files;
using Cluster.Data.Corpus.Sources.Web;

namespace Cluster.Data.Corpus.Sources.Crawl;

/// <summary>
/// Pages of the web, breadth first from the seeds, one request to a host at a time and no faster than it wishes. Kept as they came, as
/// records; their text is found later. What is fetched depends on the servers; what is made of it does not.
/// </summary>
/// <param name="dataset">First part of failures' ids.</param>
/// <param name="options">Where and how far.</param>
/// <param name="http">Does not follow redirects.</param>
/// <param name="time">Clocks the pauses between requests.</param>
internal sealed class CrawlCorpusSource(string dataset, CrawlOptions options, HttpClient http, TimeProvider time) : ICorpusSource
{
    private const int MostRedirects = 5;
    private const long FileBytes = 16 << 20;

    private readonly Dictionary<string, Host> _hosts = new(StringComparer.Ordinal);
    private readonly SortedDictionary<string, long> _passedOver = new(StringComparer.Ordinal);
    private readonly List<ReadFailure> _failures = [];

    /// <inheritdoc/>
    public string Description => $"pages from {string.Join(", ", options.Seeds)}";

    /// <inheritdoc/>
    public async Task<SourceSnapshot> AcquireAsync(string folder, CancellationToken cancellation = default)
    {
        var store = new SnapshotStore(folder);
        if (store.Load() is { } complete)
            return complete;
        var files = new List<SourceFile>();
        var frontier = new Queue<(Uri Url, int Depth)>();
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var kept = new HashSet<string>(StringComparer.Ordinal);
        RecordWriter? writer = null;
        long bytes = 0;
        try
        {
            foreach (var seed in options.Seeds)
                Discover(CanonicalUrl.Of(null, seed)!, 0);
            while (frontier.TryDequeue(out var next) && kept.Count < options.MaximumPages && bytes < options.MaximumBytes)
            {
                cancellation.ThrowIfCancellationRequested();
                if (await VisitAsync(next.Url, cancellation) is not { } page)
                    continue;
                // Where redirects led may be known already.
                seen.Add(page.Url.AbsoluteUri);
                var parsed = page.IsHtml ? Parse(page) : null;
                if (parsed is { Follow: true } && next.Depth < options.MaximumDepth)
                {
                    foreach (var link in parsed.Links)
                        Discover(link, next.Depth + 1);
                }

                var canonical = parsed?.Canonical ?? page.Url;
                if (parsed is { Index: false })
                {
                    Pass("noindex");
                    continue;
                }

                if (!kept.Add(canonical.AbsoluteUri))
                {
                    Pass("same_page");
                    continue;
                }

                bytes += page.Bytes;
                writer ??= new RecordWriter(store.PathOf(Name(files.Count)));
                writer.Add(json =>
                {
                    json.WriteString("text", page.Text);
                    json.WriteString("url", canonical.AbsoluteUri);
                    json.WriteString("content_type", page.IsHtml ? "text/html" : "text/plain");
                    if (page.Date is { } date)
                        json.WriteString("date", date.ToString("O", CultureInfo.InvariantCulture));
                });
                if (writer.Bytes >= FileBytes)
                    Finish();
            }

            if (frontier.Count > 0)
                _passedOver["beyond_limits"] = _passedOver.GetValueOrDefault("beyond_limits") + frontier.Count;
            if (writer is not null)
                Finish();
        }
        finally
        {
            writer?.Dispose();
        }

        return store.Save(files, _failures, _passedOver);

        void Discover(Uri url, int depth)
        {
            if (!seen.Add(url.AbsoluteUri))
                return;
            if (!IsAllowedHost(url))
                Pass("other_host");
            else if (CanonicalUrl.LooksLikeTrap(url))
                Pass("link_trap");
            else
                frontier.Enqueue((url, depth));
        }

        void Finish()
        {
            var length = writer!.Bytes;
            var sha256 = writer.Complete();
            files.Add(new SourceFile(Name(files.Count), length) { Sha256 = sha256 });
            writer.Dispose();
            writer = null;
        }

        static string Name(int number) => string.Create(CultureInfo.InvariantCulture, $"{number:00000}.jsonl.zst");
    }

    private async Task<Page?> VisitAsync(Uri url, CancellationToken cancellation)
    {
        for (var hop = 0; hop <= MostRedirects; hop++)
        {
            var host = await HostAsync(url, cancellation);
            if (!host.Robots.Allows(url.PathAndQuery))
                return Passed("robots");
            if (host.Pages >= options.MaximumPagesPerHost)
                return Passed("host_limit");
            try
            {
                using var response = await SendAsync(host, url, cancellation);
                if ((int)response.StatusCode is >= 300 and < 400 && response.Headers.Location is { } location)
                {
                    if (CanonicalUrl.Of(url, location.OriginalString) is not { } target)
                        return Failed("bad_redirect", $"leads to {location.OriginalString}");
                    if (!IsAllowedHost(target))
                        return Passed("other_host");
                    url = target;
                    continue;
                }

                if (response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Gone)
                    return Passed("not_found");
                if (!response.IsSuccessStatusCode)
                    return Failed("refused", string.Create(CultureInfo.InvariantCulture, $"answers {(int)response.StatusCode}"));
                var type = response.Content.Headers.ContentType?.MediaType?.ToLowerInvariant() ?? "text/html";
                var isHtml = type is "text/html" or "application/xhtml+xml";
                if (!isHtml && type is not ("text/plain" or "text/markdown"))
                    return Passed("other_kind");
                var body = await BodyAsync(response, cancellation);
                if (body is null)
                    return Failed("page_too_long", $"is longer than maximum_page_bytes ({options.MaximumPageBytes})");
                host.Pages++;
                var charset = response.Content.Headers.ContentType?.CharSet;
                var text = charset is not null && WholeFile.Charset(charset.AsSpan().Trim('"')) is { } encoding ? encoding.GetString(body)
                    : isHtml && charset is null ? WholeFile.Html(body)
                    : TextDecoder.Decode(body, out _);
                return new Page(url, text, isHtml, body.Length, response.Content.Headers.LastModified);
            }
            catch (TimeoutException)
            {
                return Failed("stalled", $"sent nothing for {options.StallSeconds} s");
            }
            catch (HttpIOException error)
            {
                return Failed("short_body", error.Message);
            }
            catch (Exception error) when (error is HttpRequestException or IOException)
            {
                return Failed("unreachable", error.Message);
            }
        }

        return Failed("too_many_redirects", $"leads on more than {MostRedirects} times");

        Page? Passed(string reason)
        {
            Pass(reason);
            return null;
        }

        Page? Failed(string reason, string detail)
        {
            _failures.Add(new ReadFailure($"{dataset}/{url}", reason, $"{url} {detail}.", 0));
            return null;
        }
    }

    private async Task<Host> HostAsync(Uri url, CancellationToken cancellation)
    {
        var key = url.GetLeftPart(UriPartial.Authority);
        if (_hosts.TryGetValue(key, out var host))
            return host;
        host = new Host();
        _hosts.Add(key, host);
        try
        {
            var address = new Uri(key + "/robots.txt");
            for (var hop = 0; hop <= MostRedirects; hop++)
            {
                using var response = await SendAsync(host, address, cancellation);
                if ((int)response.StatusCode is >= 300 and < 400 && response.Headers.Location is { } location && CanonicalUrl.Of(address, location.OriginalString) is { } target)
                {
                    address = target;
                    continue;
                }

                host.Robots = (int)response.StatusCode >= 500 ? RobotsTxt.DisallowAll
                    : response.IsSuccessStatusCode && await BodyAsync(response, cancellation) is { } body
                        ? RobotsTxt.Parse(Encoding.UTF8.GetString(body), options.Agent)
                    : RobotsTxt.AllowAll;
                break;
            }
        }
        catch (Exception error) when (error is HttpRequestException or IOException or TimeoutException)
        {
            host.Robots = RobotsTxt.DisallowAll;
            _failures.Add(new ReadFailure($"{dataset}/{key}/robots.txt", "unreachable", $"{key}/robots.txt: {error.Message}", 0));
        }

        return host;
    }

    private async Task<HttpResponseMessage> SendAsync(Host host, Uri url, CancellationToken cancellation)
    {
        var pause = TimeSpan.FromSeconds(1 / options.RequestsPerSecond);
        if (host.Robots.CrawlDelay is { } delay && delay > pause)
            pause = delay;
        if (host.Last is { } last && pause - time.GetElapsedTime(last) is { Ticks: > 0 } rest)
            await Task.Delay(rest, time, cancellation);
        host.Last = time.GetTimestamp();
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        request.Headers.TryAddWithoutValidation("User-Agent", options.Agent);
        request.Headers.TryAddWithoutValidation("Accept", "text/html,application/xhtml+xml,text/plain;q=0.9");
        return await Stall.WithinAsync(token => http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token), TimeSpan.FromSeconds(options.StallSeconds), time, cancellation);
    }

    /// <summary>The body, or null if it is too long.</summary>
    private async Task<byte[]?> BodyAsync(HttpResponseMessage response, CancellationToken cancellation)
    {
        await using var stream = await response.Content.ReadAsStreamAsync(cancellation);
        using var memory = new MemoryStream();
        var buffer = new byte[1 << 15];
        while (true)
        {
            var read = await Stall.WithinAsync(token => stream.ReadAsync(buffer, token).AsTask(), TimeSpan.FromSeconds(options.StallSeconds), time, cancellation);
            if (read == 0)
                return memory.ToArray();
            if (memory.Length + read > options.MaximumPageBytes)
                return null;
            memory.Write(buffer, 0, read);
        }
    }

    private bool IsAllowedHost(Uri url)
    {
        var domains = options.Domains.Count > 0 ? options.Domains : options.Seeds.Select(seed => new Uri(seed).Authority);
        return domains.Any(domain => url.Authority.Equals(domain, StringComparison.OrdinalIgnoreCase)
            || url.Authority.EndsWith("." + domain, StringComparison.OrdinalIgnoreCase));
    }

    private ParsedPage Parse(Page page)
    {
        using var document = new HtmlParser().ParseDocument(page.Text);
        var robots = document.QuerySelectorAll("meta[name]")
            .Where(meta => meta.GetAttribute("name")!.ToLowerInvariant() is var name && (name == "robots" || name == options.Agent))
            .Select(meta => meta.GetAttribute("content")?.ToLowerInvariant() ?? "").ToList();
        var canonical = document.QuerySelector("link[rel~=canonical][href]")?.GetAttribute("href") is { } href
            && CanonicalUrl.Of(page.Url, href) is { } stated && stated.Authority == page.Url.Authority ? stated : null;
        var links = document.QuerySelectorAll("a[href]")
            .Where(link => link.GetAttribute("rel")?.Contains("nofollow", StringComparison.OrdinalIgnoreCase) != true)
            .Select(link => CanonicalUrl.Of(page.Url, link.GetAttribute("href")!)).OfType<Uri>().ToList();
        return new ParsedPage(links, canonical,
            Index: !robots.Exists(content => content.Contains("noindex", StringComparison.Ordinal) || content == "none"),
            Follow: !robots.Exists(content => content.Contains("nofollow", StringComparison.Ordinal) || content == "none"));
    }

    private void Pass(string reason) => _passedOver[reason] = _passedOver.GetValueOrDefault(reason) + 1;

    private sealed class Host
    {
        public RobotsTxt Robots { get; set; } = RobotsTxt.AllowAll;

        public long? Last { get; set; }

        public int Pages { get; set; }
    }

    private sealed record Page(Uri Url, string Text, bool IsHtml, int Bytes, DateTimeOffset? Date);

    private sealed record ParsedPage(IReadOnlyList<Uri> Links, Uri? Canonical, bool Index, bool Follow);
}
