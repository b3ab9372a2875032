using System.Globalization;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus;

/// <summary>A documentation file of a reference pack.</summary>
/// <param name="Path">Absolute path.</param>
/// <param name="Source">The same without the machine: "Microsoft.NETCore.App.Ref/10.0.0/System.Collections.xml".</param>
public sealed record ReferenceFile(string Path, string Source);

/// <summary>Finds the .NET SDK of this machine and the documentation in its reference packs. Environment in, files out; reads none of them.</summary>
public static class DotnetSdk
{
    private const string Remedy =
        "Install the .NET 10 SDK (the runtime alone has no reference packs), or set DOTNET_ROOT to its folder, or give a folder of text with --corpus.";

    /// <summary>Where an SDK may be, the likeliest first: DOTNET_ROOT, the folder of the running runtime, the folder of PATH's dotnet.</summary>
    public static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } root)
            yield return root;

        // <root>/shared/Microsoft.NETCore.App/<version>/
        if (Path.GetDirectoryName(typeof(object).Assembly.Location) is { Length: > 0 } runtime)
            yield return Path.GetFullPath(Path.Combine(runtime, "..", "..", ".."));

        var name = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        foreach (var folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            var file = new FileInfo(Path.Combine(folder, name));
            if (file.Exists)
                yield return Path.GetDirectoryName((file.ResolveLinkTarget(returnFinalTarget: true) ?? file).FullName)!;
        }
    }

    /// <summary>
    /// The documentation files of the first candidate that has any: packs/*.Ref/&lt;newest&gt;/ref/*/*.xml, ordered by pack, framework and
    /// file name (ordinal).
    /// </summary>
    /// <exception cref="UserErrorException">No candidate has any.</exception>
    public static IReadOnlyList<ReferenceFile> FindReferenceFiles(IEnumerable<string> candidates)
    {
        var tried = new List<string>();
        foreach (var root in candidates.Distinct(StringComparer.Ordinal))
        {
            tried.Add(root);
            var files = FilesUnder(root);
            if (files.Count > 0)
                return files;
        }

        throw new UserErrorException($"No reference packs (packs/*.Ref/*/ref/*/*.xml) under {string.Join(", ", tried)}.", Remedy);
    }

    private static List<ReferenceFile> FilesUnder(string root)
    {
        var files = new List<ReferenceFile>();
        foreach (var pack in Folders(Path.Combine(root, "packs"), "*.Ref"))
        {
            var newest = Folders(pack, "*")
                .Where(version => Directory.Exists(Path.Combine(version, "ref")))
                .MaxBy(version => Path.GetFileName(version), Comparer<string?>.Create(CompareVersions));
            if (newest is null)
                continue;
            foreach (var framework in Folders(Path.Combine(newest, "ref"), "*"))
            {
                foreach (var file in Directory.GetFiles(framework, "*.xml").Order(StringComparer.Ordinal))
                    files.Add(new(file, $"{Path.GetFileName(pack)}/{Path.GetFileName(newest)}/{Path.GetFileName(file)}"));
            }
        }

        return files;
    }

    private static IEnumerable<string> Folders(string path, string pattern) =>
        Directory.Exists(path) ? Directory.GetDirectories(path, pattern).Order(StringComparer.Ordinal) : [];

    /// <summary>Numbers by value; a preview ("10.0.0-rc.1") before its release; what is no version before all versions.</summary>
    internal static int CompareVersions(string? a, string? b)
    {
        var (versionA, previewA) = Parse(a);
        var (versionB, previewB) = Parse(b);
        var byVersion = versionA.CompareTo(versionB);
        if (byVersion != 0)
            return byVersion;
        if (previewA.Length == 0 || previewB.Length == 0)
            return previewB.Length.CompareTo(previewA.Length);
        return string.Compare(previewA, previewB, CultureInfo.InvariantCulture, CompareOptions.NumericOrdering);

        static (Version Version, string Preview) Parse(string? text)
        {
            var parts = (text ?? "").Split('-', 2);
            return (Version.TryParse(parts[0], out var version) ? version : new Version(), parts.Length > 1 ? parts[1] : "");
        }
    }
}
