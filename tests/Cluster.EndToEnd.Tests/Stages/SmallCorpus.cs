namespace Cluster.EndToEnd.Tests.Stages;

/// <summary>120 short texts about gadgets.</summary>
internal static class SmallCorpus
{
    /// <summary>Writes them into a folder.</summary>
    public static void Write(string folder)
    {
        Directory.CreateDirectory(folder);
        for (var i = 0; i < 120; i++)
        {
            var topic = $"gadget{i % 40} number {i}";
            File.WriteAllText(Path.Combine(folder, $"{i:D3}.md"), string.Join("\n\n", Enumerable.Range(0, 6).Select(p =>
                $"# About the {topic} {p}\n\nThe {topic} turns the handle {p + 2} times before it stops. Nobody has seen part {p} of the {topic} fail on a {(i * 7 + p) % 31}th day of rain.")));
        }
    }
}
