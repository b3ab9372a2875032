using System.Text.RegularExpressions;
using Cluster.Deployment.Tests.Kubernetes;

namespace Cluster.Deployment.Tests.Containers;

/// <summary>What the container files name is there, and is let in by .dockerignore.</summary>
public partial class ContainerfileTests
{
    public static TheoryData<string> Files => new("Containerfile", "Containerfile.cuda");

    [Theory]
    [MemberData(nameof(Files))]
    public void Copy_FromTheContext_ExistsAndIsNotIgnored(string file)
    {
        var allowed = Repository.Read(".dockerignore").Split('\n').Where(line => line.StartsWith('!')).Select(line => line[1..]).ToList();
        var sources = Lines(file).Where(line => line.StartsWith("COPY ", StringComparison.Ordinal) && !line.Contains("--from", StringComparison.Ordinal))
            .SelectMany(line => line.Split(' ')[1..^1]).ToList();

        Assert.Contains("src", sources);
        Assert.All(sources, source => Assert.True(Path.Exists(Repository.Path(source)), source));
        Assert.All(sources, source => Assert.Contains(source, allowed));
        Assert.Equal(allowed.Order(StringComparer.Ordinal), sources.Order(StringComparer.Ordinal));
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Copy_FilesOfTheRootThatABuildReads_AreAllThere(string file)
    {
        var text = string.Join('\n', Lines(file));

        foreach (var name in Directory.GetFiles(Repository.Root).Select(Path.GetFileName).OfType<string>()
            .Where(name => name.StartsWith("Directory.", StringComparison.Ordinal) || name is "global.json" or ".editorconfig" or "nuget.config"))
            Assert.Contains(name, text, StringComparison.Ordinal);
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Publish_Projects_ExistAndTheirProgramsAreStarted(string file)
    {
        var text = string.Join('\n', Lines(file));
        var published = Publish().Matches(text).Select(match => match.Groups[1].Value).ToList();

        Assert.NotEmpty(published);
        foreach (var project in published)
        {
            var name = Path.GetFileName(project);
            var csproj = Repository.Read(project, name + ".csproj");
            var assembly = Assembly().Match(csproj) is { Success: true } named ? named.Groups[1].Value : name;
            Assert.Contains($"ENTRYPOINT [\"dotnet\", \"/app/{assembly}.dll\"]", text, StringComparison.Ordinal);
        }
    }

    [Theory]
    [MemberData(nameof(Files))]
    public void Images_ThatRun_AreNotRootsAndHaveNoSdk(string file)
    {
        var stages = string.Join('\n', Lines(file)).Split("FROM ", StringSplitOptions.RemoveEmptyEntries).Where(stage => stage.Contains("ENTRYPOINT", StringComparison.Ordinal)).ToList();

        Assert.NotEmpty(stages);
        Assert.All(stages, stage => Assert.Contains("USER $APP_UID", stage, StringComparison.Ordinal));
        Assert.All(stages, stage => Assert.StartsWith("mcr.microsoft.com/dotnet/aspnet:10.0-noble ", stage, StringComparison.Ordinal));
    }

    [KubectlFact]
    public void Images_OfTheManifests_HaveAStageOfTheirName()
    {
        var stages = ((string[])["Containerfile", "Containerfile.cuda"]).SelectMany(Lines).Where(line => line.StartsWith("FROM ", StringComparison.Ordinal)).Select(line => line.Split(' ')[^1]).ToList();
        var images = ((string[])["cpu", "gpu"]).SelectMany(overlay => Manifests.Of(overlay).Workloads).Where(workload => workload.Name != "redis")
            .SelectMany(workload => workload.Pod.Containers).Select(container => container.Image.Split('/')[^1].Split(':')[0]).Distinct().ToList();

        Assert.Equal(["cluster", "cluster-cuda", "cluster-web"], images.Order(StringComparer.Ordinal));
        Assert.All(images, image => Assert.Contains(image, stages));
    }

    private static IEnumerable<string> Lines(string file) => Repository.Read("infra", "containers", file).Split('\n').Where(line => !line.StartsWith('#'));

    [GeneratedRegex(@"dotnet publish (\S+) -c Release -r linux-x64 --self-contained false ")]
    private static partial Regex Publish();

    [GeneratedRegex("<AssemblyName>(.+)</AssemblyName>")]
    private static partial Regex Assembly();
}
