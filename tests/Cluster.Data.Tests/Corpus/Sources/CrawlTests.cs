using System.Globalization;
using Cluster.Data.Corpus.Sources;
using Cluster.Data.Corpus.Sources.Crawl;

namespace Cluster.Data.Tests.Corpus.Sources;

public class CrawlTests
{
    private static readonly CrawlOptions s_fast = new() { RequestsPerSecond = 1_000 };

    [Fact]
    public async Task Acquire_SiteWithRedirectsRobotsAndATrap_GoodPagesOnceAndTheRestCounted()
    {
        await using var server = RawServer.OfPages(path => path switch
        {
            "/robots.txt" => ("200 OK", "", "User-agent: *\nDisallow: /private\nAllow: /private/open\n"),
            "/" => Page("<a href='/a#part'>a</a> <a href='/a?utm_source=x'>a again</a> <a href='/moved'>m</a> <a href='/private/x'>p</a> <a href='/private/open'>o</a>"
                + "<a href='/trap/'>t</a> <a href='http://elsewhere.example/'>e</a> <a href='mailto:a@b'>mail</a> <a rel='nofollow' href='/unwanted'>u</a>"
                + "<a href='/loop1'>l</a> <a href='/far'>f</a> <a href='/pdf'>d</a> <a href='/gone'>g</a> <a href='/secret'>s</a> <a href='/copy'>c</a> <a href='/big'>b</a>"),
            "/a" => Page("page a <a href='/'>home</a>"),
            "/moved" => ("301 Moved", "Location: /a\r\n", ""),
            "/private/open" => Page("open"),
            "/loop1" => ("302 Found", "Location: /loop2\r\n", ""),
            "/loop2" => ("302 Found", "Location: /loop1\r\n", ""),
            "/far" => ("302 Found", "Location: http://elsewhere.example/x\r\n", ""),
            "/pdf" => ("200 OK", "Content-Type: application/pdf\r\n", "%PDF"),
            "/secret" => Page("<meta name='robots' content='noindex'> secret <a href='/from-secret'>x</a>"),
            "/from-secret" => Page("found through a page that is not kept"),
            "/copy" => Page("<link rel='canonical' href='/a'> the same as a"),
            "/big" => ("200 OK", "Content-Type: text/html\r\n", new string('x', 5_000)),
            _ when path.StartsWith("/trap/", StringComparison.Ordinal) => Page($"<a href='{path}deeper/'>deeper</a>"),
            _ => null,
        });

        var (snapshot, urls, source) = await Crawl(s_fast with { Seeds = [server.Url], MaximumPageBytes = 2_000 });

        Assert.Equal(["/", "/a", "/private/open", "/trap/", "/trap/deeper/", "/from-secret", "/trap/deeper/deeper/"], urls.Select(url => url[server.Url.Length..]));
        Assert.Equal(
            ["link_trap 1", "noindex 1", "not_found 1", "other_host 2", "other_kind 1", "robots 1", "same_page 2"],
            snapshot.PassedOver.Select(pair => $"{pair.Key} {pair.Value}"));
        Assert.Equal(["page_too_long", "too_many_redirects"], snapshot.Failures.Select(failure => failure.Reason).Order(StringComparer.Ordinal));
        Assert.DoesNotContain(server.Requests, request => request.Path.Contains("private/x", StringComparison.Ordinal) || request.Path == "/unwanted");
        // What was fetched is kept: nothing is asked for twice.
        var asked = server.Requests.Count;
        await source.AcquireAsync(Path.GetDirectoryName(snapshot.Root)!);
        Assert.Equal(asked, server.Requests.Count);
        Directory.Delete(Path.GetDirectoryName(snapshot.Root)!, recursive: true);
    }

    [Theory]
    [InlineData("depth")]
    [InlineData("pages")]
    [InlineData("host")]
    [InlineData("bytes")]
    public async Task Acquire_EndlessSite_EndsAtTheLimit(string limit)
    {
        await using var server = RawServer.OfPages(path => path == "/robots.txt" ? null
            : Page($"{new string('x', 100)} <a href='/{int.Parse(path[1..], CultureInfo.InvariantCulture) + 1}'>next</a>"));
        var options = s_fast with { Seeds = [server.Url + "/0"] };
        var (snapshot, urls, _) = await Crawl(limit switch
        {
            "depth" => options with { MaximumDepth = 3 },
            "pages" => options with { MaximumPages = 4, MaximumDepth = 1_000 },
            "host" => options with { MaximumPagesPerHost = 4, MaximumDepth = 1_000 },
            _ => options with { MaximumBytes = 500, MaximumDepth = 1_000 },
        });
        Assert.Equal(4, urls.Count);
        Directory.Delete(Path.GetDirectoryName(snapshot.Root)!, recursive: true);
    }

    [Fact]
    public async Task Acquire_RobotsCannotBeHad_NothingIsFetched()
    {
        await using var server = RawServer.OfPages(path => path == "/robots.txt" ? ("500 Broken", "", "") : Page("text"));
        var (snapshot, urls, _) = await Crawl(s_fast with { Seeds = [server.Url] });
        Assert.Empty(urls);
        Assert.Equal(1, snapshot.PassedOver["robots"]);
        Assert.Equal(["/robots.txt"], server.Requests.Select(request => request.Path));
        Directory.Delete(Path.GetDirectoryName(snapshot.Root)!, recursive: true);
    }

    [Fact]
    public async Task Acquire_ServerStalls_AFailureAndOn()
    {
        await using var server = new RawServer(async (request, stream, stop) =>
        {
            if (request.Path == "/slow")
                await Task.Delay(Timeout.Infinite, stop);
            var body = request.Path == "/" ? "<a href='/slow'>s</a> <a href='/b'>b</a>" : request.Path == "/robots.txt" ? "" : "b";
            await RawServer.WriteAsync(stream, $"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nConnection: close\r\nContent-Length: {body.Length}\r\n\r\n{body}");
        });
        var (snapshot, urls, _) = await Crawl(s_fast with { Seeds = [server.Url], StallSeconds = 0.3 });
        Assert.Equal(2, urls.Count);
        Assert.Equal("stalled", snapshot.Failures.Single().Reason);
        Directory.Delete(Path.GetDirectoryName(snapshot.Root)!, recursive: true);
    }

    [Fact]
    public async Task Acquire_SlowHost_WaitsBetweenRequestsByTheClock()
    {
        await using var server = RawServer.OfPages(path => path switch
        {
            "/robots.txt" => ("200 OK", "", "User-agent: *\nCrawl-delay: 7\n"),
            "/" => Page("<a href='/a'>a</a>"),
            _ => Page("a"),
        });
        var time = new JumpingTime();
        var (snapshot, urls, _) = await Crawl(s_fast with { Seeds = [server.Url], RequestsPerSecond = 0.5, StallSeconds = 3_600 }, time);
        Assert.Equal(2, urls.Count);
        // Robots.txt waits for nobody, the seed for the stated delay, and so does the link.
        Assert.Equal([7, 7], time.Waits.Select(wait => (int)Math.Round(wait.TotalSeconds)));
        Directory.Delete(Path.GetDirectoryName(snapshot.Root)!, recursive: true);
    }

    [Theory]
    [InlineData("User-agent: *\nDisallow: /", "/a", false)]
    [InlineData("User-agent: *\nDisallow:", "/a", true)]
    [InlineData("User-agent: *\nDisallow: /\n\nUser-agent: cluster-crawler\nDisallow: /b", "/a", true)]
    [InlineData("User-agent: *\nDisallow: /\n\nUser-agent: Cluster-Crawler\nDisallow: /b", "/b/c", false)]
    [InlineData("User-agent: x\nUser-agent: *\nDisallow: /a", "/a", false)]
    [InlineData("User-agent: *\nDisallow: /a\nAllow: /a/b", "/a/b/c", true)]
    [InlineData("User-agent: *\nDisallow: /a/b\nAllow: /a", "/a/b/c", false)]
    [InlineData("User-agent: *\nAllow: /p\nDisallow: /p", "/p", true)]
    [InlineData("User-agent: *\nDisallow: /*.php$", "/x/y.php", false)]
    [InlineData("User-agent: *\nDisallow: /*.php$", "/x/y.php5", true)]
    [InlineData("User-agent: *\nDisallow: /*a*b*c", "/xxaxxbxxc", false)]
    [InlineData("# comment\nUSER-AGENT : *\nDISALLOW : /a # no\n", "/a", false)]
    [InlineData("Disallow: /a", "/a", true)]
    public void Allows_RulesOfTheRfc(string robots, string path, bool allowed) =>
        Assert.Equal(allowed, RobotsTxt.Parse(robots, "cluster-crawler").Allows(path));

    [Theory]
    [InlineData("HTTP://Host:80/a/../b/./c?utm_source=1&x=2&fbclid=3#top", "http://host/b/c?x=2")]
    [InlineData("https://u:p@host:443/", "https://host/")]
    [InlineData("?q=1", "http://base/dir/page?q=1")]
    [InlineData("../x", "http://base/x")]
    [InlineData("mailto:a@b", null)]
    [InlineData("javascript:void(0)", null)]
    public void Of_Reference_OneSpelling(string reference, string? canonical) =>
        Assert.Equal(canonical, CanonicalUrl.Of(new Uri("http://base/dir/page"), reference)?.AbsoluteUri);

    private static (string, string, string) Page(string body) => ("200 OK", "Content-Type: text/html; charset=utf-8\r\n", $"<html><body>{body}</body></html>");

    private static async Task<(SourceSnapshot Snapshot, List<string> Urls, CrawlCorpusSource Source)> Crawl(CrawlOptions options, TimeProvider? time = null)
    {
        var folder = Directory.CreateTempSubdirectory("crawl-").FullName;
        var http = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { Timeout = Timeout.InfiniteTimeSpan };
        var source = new CrawlCorpusSource("web", options, http, time ?? TimeProvider.System);
        var snapshot = await source.AcquireAsync(folder);
        var reading = FileReadingTests.Reading();
        return (snapshot, [.. snapshot.Files.SelectMany(file => reading.Read(snapshot.Root, file, default)).Select(item => item.Document!.Metadata.Url!)], source);
    }

    /// <summary>A clock that is at once where somebody wants to wait for, unless it is a limit of an hour.</summary>
    private sealed class JumpingTime : TimeProvider
    {
        private long _now;

        public List<TimeSpan> Waits { get; } = [];

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => _now;

        public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
        {
            if (dueTime > TimeSpan.FromMinutes(30))
                return System.CreateTimer(callback, state, Timeout.InfiniteTimeSpan, Timeout.InfiniteTimeSpan);
            Waits.Add(dueTime);
            _now += dueTime.Ticks;
            return System.CreateTimer(callback, state, TimeSpan.Zero, Timeout.InfiniteTimeSpan);
        }
    }
}
