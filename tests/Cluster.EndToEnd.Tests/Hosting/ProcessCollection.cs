namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>
/// Tests that start several processes each. Those of a collection run one after another, or all would wait for each other's; collections run
/// side by side, as most of these tests wait for somebody's death to be noticed rather than compute.
/// </summary>
internal static class ProcessCollection
{
    public const string Hosting = "processes of hosting";
    public const string Training = "processes of training";
    public const string Corpus = "processes of corpora";
}
