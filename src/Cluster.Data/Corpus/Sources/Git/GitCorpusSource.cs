using System.ComponentModel;
using System.Diagnostics;
using System.Text;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Sources.Files;

namespace Cluster.Data.Corpus.Sources.Git;

/// <summary>
/// Files of one revision of a git repository, local or not: what is committed, not what lies about. Cloned without history by the
/// program <c>git</c>. The licence of a file is the one that it names itself, else that of the nearest folder above it that has one;
/// files whose licence is not among the allowed ones, or is not known, are passed over and counted.
/// </summary>
/// <param name="location">Path of a repository, or its address.</param>
/// <param name="revision">Branch or tag; null for the head.</param>
/// <param name="licenses">SPDX identifiers that are allowed; empty allows all, known or not.</param>
/// <param name="reading">Which files are wanted.</param>
internal sealed class GitCorpusSource(string location, string? revision, IReadOnlyList<string> licenses, FileReading reading) : ICorpusSource
{
    private const int HeaderBytes = 2_000;

    /// <inheritdoc/>
    public string Description => $"git repository {location}";

    /// <inheritdoc/>
    public async Task<SourceSnapshot> AcquireAsync(string folder, CancellationToken cancellation = default)
    {
        var store = new SnapshotStore(folder);
        if (store.Load() is { } complete)
            return complete;
        // What an interrupted clone left would make git refuse.
        if (Directory.Exists(store.Files))
            Directory.Delete(store.Files, recursive: true);
        Directory.CreateDirectory(folder);
        var address = Directory.Exists(location) ? "file://" + Path.GetFullPath(location) : location;
        string[] branch = revision is null ? [] : ["--branch", revision];
        await GitAsync(["clone", "--quiet", "--depth", "1", "--single-branch", "--no-tags", .. branch, "--", address, store.Files], cancellation);
        var commit = (await GitAsync(["-C", store.Files, "rev-parse", "HEAD"], cancellation)).Trim();

        var (all, failures, passedOver) = FileWalk.Find(
            store.Files, path => reading.Reads(path) || LicenseDetector.IsLicenseFile(path), name => $"{reading.Dataset}/{name}");
        var byFolder = all.Where(file => LicenseDetector.IsLicenseFile(file.Path))
            .GroupBy(file => Folder(file.Path), StringComparer.Ordinal)
            .ToDictionary(
                group => group.Key,
                group => group.Select(file => LicenseDetector.OfText(File.ReadAllText(Path.Combine(store.Files, file.Path)))).FirstOrDefault(id => id is not null),
                StringComparer.Ordinal);
        var files = new List<SourceFile>();
        foreach (var (path, bytes) in all.Where(file => reading.Reads(file.Path) && !LicenseDetector.IsLicenseFile(file.Path)))
        {
            cancellation.ThrowIfCancellationRequested();
            var license = LicenseDetector.OfHeader(Head(Path.Combine(store.Files, path))) ?? Nearest(byFolder, path);
            if (licenses.Count > 0 && (license is null || !licenses.Contains(license, StringComparer.OrdinalIgnoreCase)))
            {
                var reason = license is null ? "license_unknown" : $"license_{license}";
                passedOver[reason] = passedOver.GetValueOrDefault(reason) + 1;
                continue;
            }

            files.Add(new SourceFile(path, bytes) { License = license, Url = $"{location}@{commit}/{path}" });
        }

        return store.Save(files, failures, passedOver);
    }

    private static string? Nearest(Dictionary<string, string?> byFolder, string path)
    {
        for (var folder = Folder(path); ; folder = Folder(folder))
        {
            if (byFolder.TryGetValue(folder, out var license))
                return license;
            if (folder.Length == 0)
                return null;
        }
    }

    private static string Folder(string path) => path.LastIndexOf('/') is var slash and >= 0 ? path[..slash] : "";

    private static string Head(string path)
    {
        using var stream = File.OpenRead(path);
        var buffer = new byte[HeaderBytes];
        return Encoding.Latin1.GetString(buffer, 0, stream.ReadAtLeast(buffer, buffer.Length, throwOnEndOfStream: false));
    }

    private static async Task<string> GitAsync(IReadOnlyList<string> arguments, CancellationToken cancellation)
    {
        var start = new ProcessStartInfo("git", arguments) { RedirectStandardOutput = true, RedirectStandardError = true, RedirectStandardInput = true };
        // It must fail, not wait for somebody to type a password.
        start.Environment["GIT_TERMINAL_PROMPT"] = "0";
        Process process;
        try
        {
            process = Process.Start(start)!;
        }
        catch (Win32Exception error)
        {
            throw new UserErrorException("The program git cannot be started.", "Install it, or give the repository's files as a folder.", error);
        }

        using (process)
        {
            process.StandardInput.Close();
            var output = process.StandardOutput.ReadToEndAsync(cancellation);
            var errors = process.StandardError.ReadToEndAsync(cancellation);
            try
            {
                await process.WaitForExitAsync(cancellation);
            }
            catch (OperationCanceledException)
            {
                process.Kill(entireProcessTree: true);
                throw;
            }

            return process.ExitCode == 0
                ? await output
                : throw new UserErrorException($"git {arguments[0]} ended with {process.ExitCode}: {(await errors).Trim()}", "Check the repository's address and revision.");
        }
    }
}
