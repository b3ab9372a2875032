using System.Net;
using System.Net.Http.Headers;
using System.Text.RegularExpressions;
using Cluster.Web.Tests.Hosting;

namespace Cluster.Web.Tests.Pages;

[Collection(LiveClusterCollection.Name)]
public partial class PageTests(LiveCluster cluster)
{
    [Fact]
    public async Task Page_Served_MayLoadFromHereOnly()
    {
        using var answer = await cluster.Http.GetAsync("/");

        Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        Assert.Equal("text/html", answer.Content.Headers.ContentType!.MediaType);
        Assert.StartsWith("default-src 'self';", Assert.Single(answer.Headers.GetValues("Content-Security-Policy")), StringComparison.Ordinal);
        Assert.Equal("nosniff", Assert.Single(answer.Headers.GetValues("X-Content-Type-Options")));
    }

    [Fact]
    public async Task Page_WhatItNames_IsServedWithItsType()
    {
        var page = await cluster.Http.GetStringAsync("/");
        var named = Named().Matches(page).Select(match => match.Groups[1].Value).Where(path => path.StartsWith("/assets/", StringComparison.Ordinal)).ToList();

        Assert.Equal(5, named.Count);
        foreach (var path in named)
        {
            using var answer = await cluster.Http.GetAsync(path);
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
            Assert.Equal(Path.GetExtension(path) switch { ".js" => "text/javascript", ".css" => "text/css", _ => "image/svg+xml" },
                answer.Content.Headers.ContentType!.MediaType);
        }
    }

    [Fact]
    public async Task Page_Sources_NeedNothingThatThePolicyForbids()
    {
        var page = await cluster.Http.GetStringAsync("/");
        var script = await cluster.Http.GetStringAsync("/assets/page.js");

        Assert.DoesNotMatch("""<script(?![^>]*\bsrc=)|<style|\sstyle=|\son[a-z]+=|https?:""", page);
        Assert.DoesNotMatch("innerHTML|outerHTML|insertAdjacentHTML|document\\.write|eval\\(|https?:", script);
    }

    [Fact]
    public async Task Asset_AskedAgainWithItsTag_NotModified()
    {
        using var first = await cluster.Http.GetAsync("/assets/page.js");
        using var request = new HttpRequestMessage(HttpMethod.Get, "/assets/page.js") { Headers = { IfNoneMatch = { first.Headers.ETag! } } };
        using var stale = new HttpRequestMessage(HttpMethod.Get, "/assets/page.js") { Headers = { IfNoneMatch = { new EntityTagHeaderValue("\"other\"") } } };

        Assert.Equal(HttpStatusCode.NotModified, (await cluster.Http.SendAsync(request)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await cluster.Http.SendAsync(stale)).StatusCode);
    }

    [Fact]
    public async Task Library_Served_CarriesItsLicence()
    {
        Assert.Contains("The MIT License", await cluster.Http.GetStringAsync("/assets/uPlot-1.6.32.LICENSE.txt"), StringComparison.Ordinal);
    }

    [GeneratedRegex("(?:href|src)=\"([^\"]+)\"")]
    private static partial Regex Named();
}
