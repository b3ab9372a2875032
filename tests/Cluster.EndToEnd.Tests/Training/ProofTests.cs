using Cluster.Cli.Runs;
using Cluster.EndToEnd.Tests.Hosting;

namespace Cluster.EndToEnd.Tests.Training;

/// <summary>What <c>prove</c> shows, with fewer steps.</summary>
[Collection(ProcessCollection.Training)]
public sealed class ProofTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("cluster-proof-").FullName;

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public async Task RunAsync_CoordinatorKilledSiloAdded_BothHappenAndTheWeightsAreEqual()
    {
        var said = new List<string>();

        var result = await new Proof(_root, said.Add) { Steps = 60 }.RunAsync(CancellationToken.None);

        Assert.Equal((true, 60, 0), (result.Equal, result.Steps, result.CheckpointsLoaded));
        Assert.Equal(result.UndisturbedSha256, result.DisturbedSha256);
        Assert.Equal([15, 30], result.Disturbances.Select(disturbance => disturbance.Step));
        Assert.Contains(said, line => line.Contains("which held the coordinator", StringComparison.Ordinal));
        Assert.Equal([10, 20, 30, 40, 50, 60], result.Losses.Select(step => step.Step));
        Assert.All(result.Losses, step => Assert.Equal(step.Undisturbed, step.Disturbed));
        Assert.True(result.Losses[^1].Disturbed < result.Losses[0].Disturbed, "it learns");
    }
}
