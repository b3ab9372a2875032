using System.Globalization;
using System.Net;
using System.Net.Http.Headers;
using System.Security.Cryptography;

namespace Cluster.Data.Corpus.Sources.Web;

/// <summary>How patient a download is.</summary>
public sealed record DownloadOptions
{
    /// <summary>The defaults.</summary>
    public static DownloadOptions Default { get; } = new();

    /// <summary>Times a file is asked for, at least 1; each goes on where the last one stopped.</summary>
    public int Attempts { get; init; } = 5;

    /// <summary>Longest silence of a server.</summary>
    public TimeSpan Stall { get; init; } = TimeSpan.FromSeconds(30);

    /// <summary>Pause before the second attempt; doubled each time.</summary>
    public TimeSpan Pause { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Most bytes of a file.</summary>
    public long MaximumBytes { get; init; } = 64L << 30;
}

/// <summary>How a download ended.</summary>
/// <param name="Bytes">Of the file.</param>
/// <param name="Sha256">Of the file, lower-case hex; null of a failure.</param>
/// <param name="Reason">In snake_case; null of a success.</param>
/// <param name="Detail">For people; null of a success.</param>
public sealed record DownloadResult(long Bytes, string? Sha256, string? Reason, string? Detail);

/// <summary>
/// One file over HTTP, resumed by byte ranges (RFC 9110, section 14) as long as its validator stays the same (If-Range, section 13.1.5),
/// and checked against its digest. The file appears under its name only when it is complete.
/// </summary>
/// <param name="http">Has no limit of its own on the time of a response; does not decompress.</param>
/// <param name="time">Clocks stalls and pauses.</param>
public sealed class Download(HttpClient http, TimeProvider time)
{
    /// <param name="url">What to fetch.</param>
    /// <param name="path">Where it goes; beside it, until then, ".partial" and ".validator".</param>
    /// <param name="sha256">What it must be, or null.</param>
    /// <param name="options">Patience.</param>
    /// <param name="cancellation">Ends it; what was fetched stays for the next call.</param>
    public async Task<DownloadResult> FetchAsync(Uri url, string path, string? sha256, DownloadOptions options, CancellationToken cancellation = default)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(path)!);
        if (File.Exists(path))
        {
            var present = await HashAsync(path, cancellation);
            if (sha256 is null || Same(present, sha256))
                return new DownloadResult(new FileInfo(path).Length, present, null, null);
            File.Delete(path);
        }

        var partial = path + ".partial";
        var (reason, detail) = ("unreachable", "it was never asked for");
        var pause = options.Pause;
        for (var attempt = 0; attempt < options.Attempts; attempt++)
        {
            if (attempt > 0)
            {
                await Task.Delay(pause, time, cancellation);
                pause *= 2;
            }

            try
            {
                var end = await AttemptAsync(url, partial, path + ".validator", options, cancellation);
                if (end is { } failure)
                {
                    (reason, detail) = failure;
                    if (reason is "too_long" or "not_found")
                        break;
                    continue;
                }
            }
            catch (TimeoutException)
            {
                (reason, detail) = ("stalled", $"{url} sent nothing for {options.Stall.TotalSeconds:0.###} s");
                continue;
            }
            catch (HttpIOException error)
            {
                (reason, detail) = ("short_body", $"{url}: {error.Message}");
                continue;
            }
            catch (Exception error) when (error is HttpRequestException or IOException)
            {
                (reason, detail) = ("unreachable", $"{url}: {error.Message}");
                continue;
            }

            var hash = await HashAsync(partial, cancellation);
            if (sha256 is not null && !Same(hash, sha256))
            {
                // Parts of two versions, or a damaged one: nothing of it can be trusted.
                Discard(partial, path + ".validator");
                (reason, detail) = ("wrong_checksum", $"{url} has SHA-256 {hash}, not {sha256}");
                continue;
            }

            File.Move(partial, path, overwrite: true);
            File.Delete(path + ".validator");
            return new DownloadResult(new FileInfo(path).Length, hash, null, null);
        }

        return new DownloadResult(File.Exists(partial) ? new FileInfo(partial).Length : 0, null, reason, detail);
    }

    private async Task<(string Reason, string Detail)?> AttemptAsync(Uri url, string partial, string validatorPath, DownloadOptions options, CancellationToken cancellation)
    {
        var have = File.Exists(partial) ? new FileInfo(partial).Length : 0;
        var validator = have > 0 && File.Exists(validatorPath) ? await File.ReadAllTextAsync(validatorPath, cancellation) : "";
        // Without a validator nobody can say whether the rest belongs to the same file.
        if (validator.Length == 0)
            have = 0;
        using var request = new HttpRequestMessage(HttpMethod.Get, url);
        if (have > 0)
        {
            request.Headers.Range = new RangeHeaderValue(have, null);
            request.Headers.TryAddWithoutValidation("If-Range", validator);
        }

        using var response = await Web.Stall.WithinAsync(token => http.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, token), options.Stall, time, cancellation);
        if (response.StatusCode == HttpStatusCode.RequestedRangeNotSatisfiable)
        {
            Discard(partial, validatorPath);
            return ("range_refused", $"{url} refuses to go on at byte {have}");
        }

        if (response.StatusCode is HttpStatusCode.NotFound or HttpStatusCode.Gone or HttpStatusCode.Forbidden or HttpStatusCode.Unauthorized)
            return ("not_found", $"{url} answers {(int)response.StatusCode}");
        if (!response.IsSuccessStatusCode)
            return ("refused", $"{url} answers {(int)response.StatusCode}");
        var resumed = response.StatusCode == HttpStatusCode.PartialContent;
        if (resumed && response.Content.Headers.ContentRange?.From != have)
        {
            Discard(partial, validatorPath);
            return ("wrong_range", $"{url} answers another range than the one asked for");
        }

        var total = resumed ? response.Content.Headers.ContentRange?.Length : response.Content.Headers.ContentLength;
        if (total > options.MaximumBytes)
            return ("too_long", string.Create(CultureInfo.InvariantCulture, $"{url} has {total} bytes; the limit is {options.MaximumBytes}"));
        // A weak ETag does not promise the same bytes (RFC 9110, section 8.8.1).
        var tag = response.Headers.ETag is { IsWeak: false } strong ? strong.ToString() : response.Content.Headers.LastModified?.ToString("R") ?? "";
        await File.WriteAllTextAsync(validatorPath, tag, cancellation);

        await using var file = new FileStream(partial, resumed ? FileMode.Append : FileMode.Create, FileAccess.Write, FileShare.Read, 1 << 16);
        await using var body = await response.Content.ReadAsStreamAsync(cancellation);
        var buffer = new byte[1 << 16];
        while (true)
        {
            var read = await Web.Stall.WithinAsync(token => body.ReadAsync(buffer, token).AsTask(), options.Stall, time, cancellation);
            if (read == 0)
                break;
            await file.WriteAsync(buffer.AsMemory(0, read), cancellation);
            if (file.Length > options.MaximumBytes)
                return ("too_long", string.Create(CultureInfo.InvariantCulture, $"{url} sent more than the limit of {options.MaximumBytes} bytes"));
        }

        await file.FlushAsync(cancellation);
        return total is { } expected && file.Length != expected
            ? ("short_body", string.Create(CultureInfo.InvariantCulture, $"{url} sent {file.Length} bytes of {expected}"))
            : null;
    }

    private static void Discard(params ReadOnlySpan<string> paths)
    {
        foreach (var path in paths)
            File.Delete(path);
    }

    private static bool Same(string a, string b) => a.Equals(b, StringComparison.OrdinalIgnoreCase);

    private static async Task<string> HashAsync(string path, CancellationToken cancellation)
    {
        await using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(await SHA256.HashDataAsync(stream, cancellation));
    }
}
