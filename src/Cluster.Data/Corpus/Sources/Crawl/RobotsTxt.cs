using System.Globalization;

namespace Cluster.Data.Corpus.Sources.Crawl;

/// <summary>
/// A robots.txt in, what it allows out (RFC 9309): the group of the most specific matching agent, else of "*"; of the rules that match a
/// path the longest decides, and of two of one length the allowing one; <c>*</c> and <c>$</c> as in section 2.2.3. Pure.
/// </summary>
public sealed class RobotsTxt
{
    private const int ReadAtMost = 500 << 10; // The RFC's least that a crawler must read.
    private readonly List<(string Pattern, bool Allow)> _rules = [];

    private RobotsTxt(TimeSpan? delay) => CrawlDelay = delay;

    /// <summary>Of a host that answers 404, or another code of 400 to 499 (section 2.3.1.3).</summary>
    public static RobotsTxt AllowAll { get; } = new(null);

    /// <summary>Of a host whose answer is an error of its own or none (section 2.3.1.4).</summary>
    public static RobotsTxt DisallowAll { get; } = Parse("User-agent: *\nDisallow: /", "x");

    /// <summary>Crawl-delay, which no standard knows but many hosts state.</summary>
    public TimeSpan? CrawlDelay { get; private set; }

    /// <param name="text">The file.</param>
    /// <param name="agent">The crawler's product token: "cluster-crawler".</param>
    public static RobotsTxt Parse(string text, string agent)
    {
        var groups = new List<(List<string> Agents, List<(string, bool)> Rules, TimeSpan? Delay)>();
        var open = false;
        foreach (var raw in text.AsSpan(0, Math.Min(text.Length, ReadAtMost)).EnumerateLines())
        {
            var hash = raw.IndexOf('#');
            var line = (hash < 0 ? raw : raw[..hash]).Trim();
            var colon = line.IndexOf(':');
            if (colon < 0)
                continue;
            var (name, value) = (line[..colon].Trim().ToString().ToLowerInvariant(), line[(colon + 1)..].Trim().ToString());
            switch (name)
            {
                case "user-agent":
                    if (!open)
                        groups.Add(([], [], null));
                    groups[^1].Agents.Add(value.ToLowerInvariant());
                    open = true;
                    break;
                case "allow" or "disallow" when groups.Count > 0:
                    open = false;
                    if (value.Length > 0)
                        groups[^1].Rules.Add((value, name == "allow"));
                    break;
                case "crawl-delay" when groups.Count > 0:
                    open = false;
                    if (double.TryParse(value, NumberStyles.Float, CultureInfo.InvariantCulture, out var seconds) && seconds is > 0 and <= 3_600)
                        groups[^1] = groups[^1] with { Delay = TimeSpan.FromSeconds(seconds) };
                    break;
            }
        }

        var token = agent.ToLowerInvariant();
        var own = groups.Where(group => group.Agents.Contains(token)).ToList();
        if (own.Count == 0)
            own = [.. groups.Where(group => group.Agents.Contains("*"))];
        var robots = new RobotsTxt(own.Select(group => group.Delay).FirstOrDefault(delay => delay is not null));
        robots._rules.AddRange(own.SelectMany(group => group.Rules));
        return robots;
    }

    /// <summary>Whether a path with its query may be fetched.</summary>
    public bool Allows(string pathAndQuery)
    {
        if (pathAndQuery == "/robots.txt")
            return true;
        var (longest, allowed) = (-1, true);
        foreach (var (pattern, allow) in _rules)
        {
            if (pattern.Length < longest || (pattern.Length == longest && !allow) || !Matches(pattern, pathAndQuery))
                continue;
            (longest, allowed) = (pattern.Length, allow);
        }

        return allowed;
    }

    /// <summary>A pattern against the beginning of a path, in time of the product of their lengths at worst.</summary>
    private static bool Matches(ReadOnlySpan<char> pattern, ReadOnlySpan<char> path)
    {
        var anchored = pattern.EndsWith("$");
        if (anchored)
            pattern = pattern[..^1];
        int p = 0, t = 0, star = -1, resume = 0;
        while (true)
        {
            if (p == pattern.Length && (!anchored || t == path.Length))
                return true;
            if (p < pattern.Length && pattern[p] == '*')
            {
                (star, resume) = (p++, t);
            }
            else if (p < pattern.Length && t < path.Length && pattern[p] == path[t])
            {
                (p, t) = (p + 1, t + 1);
            }
            else if (star >= 0 && resume < path.Length)
            {
                (p, t) = (star + 1, ++resume);
            }
            else
            {
                return false;
            }
        }
    }
}
