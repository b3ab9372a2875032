using System.Text.Json;
using System.Text.RegularExpressions;
using System.Xml.Linq;
using Cluster.Silo.Hosting;
using Microsoft.Extensions.Configuration;

namespace Cluster.Deployment.Tests.Aspire;

/// <summary>The AppHost is not built with the tests, since its SDK is not everywhere to be had; what can be checked of it as text is.</summary>
public partial class AppHostTests
{
    private static readonly string s_program = Repository.Read("Cluster.AppHost", "AppHost.cs");

    [Fact]
    public void Projects_OfTheProgram_AreReferences()
    {
        var references = Project().Descendants("ProjectReference").Select(reference => reference.Attribute("Include")!.Value).ToList();

        Assert.All(references, reference => Assert.True(File.Exists(Repository.Path("Cluster.AppHost", reference)), reference));
        Assert.Equal(
            references.Select(reference => Path.GetFileNameWithoutExtension(reference).Replace('.', '_')).Order(StringComparer.Ordinal),
            Named().Matches(s_program).Select(match => match.Groups[1].Value).Distinct().Order(StringComparer.Ordinal));
    }

    [Fact]
    public void Packages_OfAspire_HaveTheVersionOfTheSdk()
    {
        var sdk = Project().Root!.Attribute("Sdk")!.Value.Split('/');
        var versions = XDocument.Parse(Repository.Read("Directory.Packages.props")).Descendants("PackageVersion")
            .ToDictionary(version => version.Attribute("Include")!.Value, version => version.Attribute("Version")!.Value, StringComparer.Ordinal);

        Assert.Equal("Aspire.AppHost.Sdk", sdk[0]);
        var packages = Project().Descendants("PackageReference").Select(reference => reference.Attribute("Include")!.Value).ToList();
        Assert.Equal(["Aspire.Hosting.Orleans", "Aspire.Hosting.Redis"], packages);
        Assert.All(packages, package => Assert.Equal(sdk[1], versions[package]));
    }

    [Fact]
    public void Variables_OfTheProgram_AreThoseThatPodsHave()
    {
        var pods = Repository.Read("k8s", "base", "silo.yaml") + Repository.Read("k8s", "base", "web.yaml");

        var names = Variable().Matches(s_program).Select(match => match.Value).Distinct().ToList();

        Assert.Contains("Cluster__SiloName", names);
        Assert.All(names, name => Assert.Contains($"- name: {name}\n", pods, StringComparison.Ordinal));
    }

    [Fact]
    public void Settings_Defaults_AreOfUse()
    {
        var settings = JsonSerializer.Deserialize<Dictionary<string, string>>(Repository.Read("Cluster.AppHost", "appsettings.json"))!;

        Assert.All(settings.Keys, key => Assert.Contains($"configuration[\"{key}\"]", s_program, StringComparison.Ordinal));
        Assert.True(int.Parse(settings["Silos"], System.Globalization.CultureInfo.InvariantCulture) > 0);
        Assert.Equal(3, SiloRoles.Of(new ConfigurationBuilder().AddInMemoryCollection([new("Cluster:Roles", settings["Roles"])]).Build()).Count);
    }

    [Fact]
    public void Program_Size_IsAScreen() => Assert.InRange(s_program.Split('\n').Length, 1, 70);

    private static XDocument Project() => XDocument.Parse(Repository.Read("Cluster.AppHost", "Cluster.AppHost.csproj"));

    [GeneratedRegex(@"AddProject<Projects\.(\w+)>")]
    private static partial Regex Named();

    [GeneratedRegex(@"Cluster__\w+")]
    private static partial Regex Variable();
}
