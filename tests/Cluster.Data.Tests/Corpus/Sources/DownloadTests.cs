using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using Cluster.Data.Corpus.Sources.Web;

namespace Cluster.Data.Tests.Corpus.Sources;

public class DownloadTests
{
    private static readonly byte[] s_content = [.. Enumerable.Range(0, 100_000).Select(i => (byte)(i * 31 % 251))];
    private static readonly string s_sha256 = Convert.ToHexStringLower(SHA256.HashData(s_content));
    private static readonly DownloadOptions s_options = new() { Attempts = 4, Pause = TimeSpan.Zero, Stall = TimeSpan.FromSeconds(20) };

    [Fact]
    public async Task Fetch_ConnectionBreaksOff_GoesOnWhereItStopped()
    {
        await using var server = new RawServer(async (request, stream, _) =>
        {
            var start = request.Headers.TryGetValue("Range", out var range) ? int.Parse(range["bytes=".Length..^1], CultureInfo.InvariantCulture) : 0;
            await Head(stream, start, "\"v1\"");
            await stream.WriteAsync(s_content.AsMemory(start, Math.Min(40_000, s_content.Length - start)));
        });
        using var folder = new TempFolder();

        var result = await Fetch(server.Url + "/a.bin", folder, s_sha256);

        Assert.Equal((100_000, s_sha256, null), (result.Bytes, result.Sha256, result.Reason));
        Assert.Equal([null, "bytes=40000-", "bytes=80000-"], server.Requests.Select(request => request.Headers.GetValueOrDefault("Range")));
        Assert.Equal(["\"v1\"", "\"v1\""], server.Requests.Skip(1).Select(request => request.Headers["If-Range"]));
        Assert.Equal(["file.bin"], Directory.GetFiles(folder.Path).Select(Path.GetFileName));
    }

    [Fact]
    public async Task Fetch_FileChangedBetweenAttempts_StartsAnew()
    {
        var calls = 0;
        await using var server = new RawServer(async (_, stream, _) =>
        {
            // The validator no longer fits the second time: the whole new file comes (RFC 9110, 13.1.5).
            var first = calls++ == 0;
            await Head(stream, 0, first ? "\"v1\"" : "\"v2\"");
            await stream.WriteAsync(first ? new byte[50_000] : s_content);
        });
        using var folder = new TempFolder();
        Assert.Equal(s_sha256, (await Fetch(server.Url + "/a.bin", folder, null)).Sha256);
    }

    [Theory]
    [InlineData("short", "short_body")]
    [InlineData("stall", "stalled")]
    [InlineData("wrong", "wrong_checksum")]
    [InlineData("missing", "not_found")]
    [InlineData("error", "refused")]
    [InlineData("long", "too_long")]
    public async Task Fetch_ServerMisbehaves_FailsWithTheReasonAndLeavesNoFile(string how, string reason)
    {
        await using var server = new RawServer(async (_, stream, stop) =>
        {
            switch (how)
            {
                case "short":
                    await RawServer.WriteAsync(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\nConnection: close\r\n\r\nabc");
                    break;
                case "stall":
                    await RawServer.WriteAsync(stream, "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\nabc");
                    await Task.Delay(Timeout.Infinite, stop);
                    break;
                case "wrong":
                    await RawServer.WriteAsync(stream, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc");
                    break;
                case "missing":
                    await RawServer.WriteAsync(stream, "HTTP/1.1 404 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    break;
                case "error":
                    await RawServer.WriteAsync(stream, "HTTP/1.1 503 No\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                    break;
                case "long":
                    await RawServer.WriteAsync(stream, "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n");
                    while (!stop.IsCancellationRequested)
                        await RawServer.WriteAsync(stream, "400\r\n" + new string('x', 1024) + "\r\n");
                    break;
            }
        });
        using var folder = new TempFolder();
        var options = s_options with { Attempts = 2, MaximumBytes = 1 << 20, Stall = how == "stall" ? TimeSpan.FromMilliseconds(200) : s_options.Stall };

        var result = await Fetch(server.Url + "/a.bin", folder, s_sha256, options);

        Assert.Equal((reason, null), (result.Reason, result.Sha256));
        Assert.False(File.Exists(Path.Combine(folder.Path, "file.bin")));
    }

    [Fact]
    public async Task Acquire_OneFileOfTwoIsMissing_TheOtherAndAFailure()
    {
        await using var server = RawServer.OfPages(path => path == "/datasets/o/n/resolve/main/data/a.jsonl" ? ("200 OK", "", "{\"text\":\"t\"}\n") : null);
        using var folder = new TempFolder();
        using var http = new HttpClient();
        var source = new DownloadCorpusSource("files", DownloadCorpusSource.HuggingFace(server.Url, "o/n", "main", ["data/a.jsonl", "data/b.jsonl"]), s_options, new Download(http, TimeProvider.System));

        var snapshot = await source.AcquireAsync(folder.Path);
        var again = await source.AcquireAsync(folder.Path);

        Assert.Equal(["0000/data/a.jsonl"], snapshot.Files.Select(file => file.Path));
        Assert.Equal("not_found", snapshot.Failures.Single().Reason);
        Assert.Equal(snapshot.Files, again.Files);
        Assert.Equal(2, server.Requests.Count);
    }

    private static async Task<DownloadResult> Fetch(string url, TempFolder folder, string? sha256, DownloadOptions? options = null)
    {
        using var http = new HttpClient { Timeout = Timeout.InfiniteTimeSpan };
        return await new Download(http, TimeProvider.System).FetchAsync(new Uri(url), Path.Combine(folder.Path, "file.bin"), sha256, options ?? s_options);
    }

    private static Task Head(Stream stream, int start, string tag) => stream.WriteAsync(Encoding.ASCII.GetBytes(string.Create(CultureInfo.InvariantCulture,
        $"HTTP/1.1 {(start > 0 ? "206 Partial Content" : "200 OK")}\r\nContent-Length: {s_content.Length - start}\r\nETag: {tag}\r\nConnection: close\r\n{(start > 0 ? $"Content-Range: bytes {start}-{s_content.Length - 1}/{s_content.Length}\r\n" : "")}\r\n"))).AsTask();
}
