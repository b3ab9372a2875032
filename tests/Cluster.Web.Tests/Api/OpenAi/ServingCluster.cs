using Cluster.Contracts.Inference;
using Cluster.Silo.Tests.Inference;
using Cluster.Web.Tests.Hosting;

namespace Cluster.Web.Tests.Api.OpenAi;

/// <summary>A host with models of random weights, one token per byte: tiny and small, with a context of 256, long, with one of 32,768, and small:int8.</summary>
public class ServingCluster : WebHost
{
    /// <inheritdoc/>
    protected override Dictionary<string, string?> Settings => new() { ["Cluster:Inference:VllmMetricNames"] = "true" };

    /// <inheritdoc/>
    protected override void Prepare()
    {
        TinyRun.Write(Runs, "tiny");
        TinyRun.Write(Runs, "long", step: 2, context: 32_768);
        TinyRun.WriteQuantized(Runs, "small", "int8");
    }

    /// <summary>Waits until a model's worker is as busy as that.</summary>
    public async Task UntilAsync(string model, Func<WorkerLoad, bool> holds)
    {
        while (true)
        {
            foreach (var worker in await Grains.GetGrain<IInferencePoolGrain>(model).GetWorkersAsync())
            {
                if (holds(await Grains.GetGrain<IInferenceWorkerGrain>(worker.Key).GetLoadAsync()))
                    return;
            }
        }
    }
}

/// <summary>One for the tests of figures alone, which count every request.</summary>
public sealed class CountedCluster : ServingCluster;

/// <summary>With keys, few requests and little room.</summary>
public sealed class StrictCluster : ServingCluster
{
    protected override Dictionary<string, string?> Settings => new()
    {
        ["Cluster:ApiKeys:0"] = "one",
        ["Cluster:ApiKeys:1"] = "two, three",
        ["Cluster:Api:RequestsPerMinute"] = "4",
        ["Cluster:Api:MaxBodyBytes"] = "2000",
        ["Cluster:Inference:MaxRunning"] = "1",
        ["Cluster:Inference:MaxWaiting"] = "1",
    };
}
