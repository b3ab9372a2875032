using System.Diagnostics;
using System.Globalization;
using System.Text.RegularExpressions;

namespace Cluster.Deployment.Tests.Kubernetes;

/// <summary>The command that renders the manifests, where it is installed and new enough.</summary>
internal static partial class Kubectl
{
    // The first whose Kustomize knows components and "resources" that are folders.
    private const int LeastMinor = 21;

    /// <summary>Why manifests cannot be rendered here, or null if they can.</summary>
    public static string? Missing { get; } = WhyNot();

    /// <summary>What would be applied.</summary>
    public static string Render(string folder)
    {
        var (code, output, error) = Run("kustomize", folder);
        Assert.True(code == 0, error);
        return output;
    }

    private static string? WhyNot()
    {
        try
        {
            var version = Version().Match(Run("version", "--client", "-o", "json").Output);
            return !version.Success || int.Parse(version.Groups[1].ValueSpan, CultureInfo.InvariantCulture) < LeastMinor
                ? $"kubectl is older than 1.{LeastMinor}." : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return "No kubectl on the PATH.";
        }
    }

    private static (int Code, string Output, string Error) Run(params string[] arguments)
    {
        using var process = Process.Start(new ProcessStartInfo("kubectl", arguments) { RedirectStandardOutput = true, RedirectStandardError = true })!;
        var error = process.StandardError.ReadToEndAsync();
        var output = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        return (process.ExitCode, output, error.GetAwaiter().GetResult());
    }

    [GeneratedRegex("\"minor\": \"(\\d+)")]
    private static partial Regex Version();
}

/// <summary>A test that needs kubectl; skipped where there is none, or too old a one.</summary>
public sealed class KubectlFactAttribute : FactAttribute
{
    public KubectlFactAttribute() => Skip = Kubectl.Missing;
}

/// <inheritdoc cref="KubectlFactAttribute"/>
public sealed class KubectlTheoryAttribute : TheoryAttribute
{
    public KubectlTheoryAttribute() => Skip = Kubectl.Missing;
}
