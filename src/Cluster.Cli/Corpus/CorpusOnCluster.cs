// Enters: a recipe and a folder. Leaves: the corpus there, built by a cluster's silos. Does not know: how they share the work.

using Cluster.Cli.Hosting.Local;
using Cluster.Contracts.Corpus;
using Cluster.Core.Errors;
using Cluster.Data.Corpus.Pipeline;
using Cluster.Data.Corpus.Recipes;

namespace Cluster.Cli.Corpus;

/// <summary>Submits a corpus to a cluster and watches. Whoever stops watching stops nothing.</summary>
/// <param name="address">The cluster.</param>
internal sealed class CorpusOnCluster(ClusterAddress address)
{
    private static readonly TimeSpan s_pause = TimeSpan.FromMilliseconds(500);

    // A coordinator that lives answers within a second; through a gateway that died nothing would come for half a minute.
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(5);

    public async Task<CorpusSummary> RunAsync(
        string folder, CurationRecipe recipe, int workersPerSilo, long memoryBytes, Action<string> say, CancellationToken cancellation)
    {
        await using var connection = await ClusterConnection.OpenAsync(address, cancellation);
        var corpus = new CorpusFolder(folder);
        var grain = connection.Grains.GetGrain<ICorpusGrain>(recipe.Name);
        await grain.SubmitAsync(new CorpusSubmission(corpus.Root, CurationRecipeJson.Canonical(recipe), workersPerSilo, memoryBytes));
        long seen = -1;
        while (true)
        {
            CorpusProgress progress;
            try
            {
                progress = await grain.WaitAsync(seen).WaitAsync(s_patience, cancellation);
            }
            catch (Exception error) when (error is OrleansException or TimeoutException)
            {
                // Its silo is gone; the next one is on its way.
                await Task.Delay(s_pause, cancellation);
                continue;
            }

            if (progress.Changes != seen)
                say($"{progress.Phase}: {progress.Done} of {progress.Units}{(progress.UnitsLost == 0 ? "" : $", {progress.UnitsLost} given out again")}");
            seen = progress.Changes;
            switch (progress.State)
            {
                case "done":
                    return CorpusSummary.Load(corpus)
                        ?? throw new UserErrorException($"The cluster says that the corpus {recipe.Name} is done, but {corpus.Root} does not hold it.",
                            "Give a folder that this machine and all silos see under one path.");
                case "failed":
                    throw new UserErrorException($"The corpus {recipe.Name} failed: {progress.Reason}", "Mend that and submit it again; it goes on with what is not done.");
                case "cancelled":
                    throw new UserErrorException($"The corpus {recipe.Name} was cancelled.", "Submit it again; it goes on with what is not done.");
                case "none":
                    throw new UserErrorException($"The cluster does not know the corpus {recipe.Name} any more: its store has been emptied.",
                        "Submit it again; it goes on with what is not done.");
            }
        }
    }
}
