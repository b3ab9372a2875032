using System.Runtime.InteropServices;
using Cluster.Core.Errors;

namespace Cluster.Data.Corpus.Reference;

/// <summary>
/// Finds the .NET SDK whose packs hold the reference documentation, and the files in it. Looks, in this order, at DOTNET_ROOT, the
/// running host, the running runtime, and <c>dotnet</c> on the PATH with links resolved.
/// </summary>
internal static class DotnetRoot
{
    /// <summary>A documentation file.</summary>
    /// <param name="Path">Where it is.</param>
    /// <param name="Name">"Pack/File.xml", without version: the same on machines with other paths.</param>
    public sealed record PackFile(string Path, string Name);

    /// <exception cref="UserErrorException">No candidate has reference packs with documentation.</exception>
    public static (string Root, IReadOnlyList<PackFile> Files) Find()
    {
        var tried = new List<string>();
        foreach (var root in Candidates())
        {
            if (tried.Contains(root))
                continue;
            tried.Add(root);
            var files = Files(root);
            if (files.Count > 0)
                return (root, files);
        }

        throw new UserErrorException(
            $"No reference documentation of .NET was found (looked for packs/*.Ref/*/ref/*/*.xml in {string.Join(", ", tried)}).",
            "Set DOTNET_ROOT to the folder of a .NET SDK, or give your own text with --corpus PATH.");
    }

    /// <summary>
    /// The documentation files of the newest version of each reference pack, Microsoft.NETCore.App.Ref first because the other packs
    /// repeat it, then by name, ordinally. Empty if there are none.
    /// </summary>
    public static IReadOnlyList<PackFile> Files(string root)
    {
        var packs = Path.Combine(root, "packs");
        if (!Directory.Exists(packs))
            return [];
        var files = new List<PackFile>();
        foreach (var pack in Directory.GetDirectories(packs, "*.Ref").OrderBy(Path.GetFileName, PackOrder))
        {
            if (Newest(pack) is not { } version || Newest(Path.Combine(version, "ref")) is not { } framework)
                continue;
            files.AddRange(Directory.GetFiles(framework, "*.xml").Order(StringComparer.Ordinal)
                .Select(path => new PackFile(path, $"{Path.GetFileName(pack)}/{Path.GetFileName(path)}")));
        }

        return files;
    }

    private static Comparer<string?> PackOrder { get; } = Comparer<string?>.Create((a, b) =>
    {
        var byRank = (a == "Microsoft.NETCore.App.Ref" ? 0 : 1).CompareTo(b == "Microsoft.NETCore.App.Ref" ? 0 : 1);
        return byRank != 0 ? byRank : string.CompareOrdinal(a, b);
    });

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } variable)
            yield return Path.GetFullPath(variable);
        if (Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet")
            yield return Path.GetDirectoryName(Resolve(host))!;
        // <root>/shared/Microsoft.NETCore.App/<version>/
        var runtime = Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", ".."));
        yield return Path.TrimEndingDirectorySeparator(runtime);
        var executable = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        var path = Environment.GetEnvironmentVariable("PATH") ?? "";
        foreach (var folder in path.Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            var candidate = Path.Combine(folder, executable);
            if (File.Exists(candidate))
                yield return Path.GetDirectoryName(Resolve(candidate))!;
        }
    }

    private static string Resolve(string path) => File.ResolveLinkTarget(path, returnFinalTarget: true)?.FullName ?? Path.GetFullPath(path);

    /// <summary>The sub-folder with the highest version in its name ("10.0.12" over "9.0.1", a release over its previews).</summary>
    private static string? Newest(string folder) => !Directory.Exists(folder)
        ? null
        : Directory.GetDirectories(folder)
            .OrderByDescending(path => Version(Path.GetFileName(path)).Number)
            .ThenByDescending(path => Version(Path.GetFileName(path)).IsRelease)
            .ThenByDescending(Path.GetFileName, StringComparer.Ordinal)
            .FirstOrDefault();

    private static (Version Number, bool IsRelease) Version(string name)
    {
        // Framework folders are "net10.0", version folders "10.0.0-rc.1.25451.107".
        var digits = name.AsSpan().IndexOfAnyInRange('0', '9');
        var number = digits < 0 ? "" : name[digits..];
        var dash = number.IndexOf('-', StringComparison.Ordinal);
        return (System.Version.TryParse(dash < 0 ? number : number[..dash], out var version) ? version : new Version(0, 0), dash < 0);
    }
}
