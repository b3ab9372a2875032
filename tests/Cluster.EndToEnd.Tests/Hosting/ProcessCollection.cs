namespace Cluster.EndToEnd.Tests.Hosting;

/// <summary>Tests that start several processes each: one at a time, or they wait for each other's.</summary>
[CollectionDefinition(Name)]
public sealed class ProcessCollection
{
    public const string Name = "processes";
}
